"""A trainer whose losses depend on the seed too: `spread` says by how much. At each "TRIAL EPOCH" of `holds` it waits for its end,
once: in the directory `held` it remembers that it has."""
import json, os, random, sys


def say(**message):
    print(json.dumps(message), flush=True)


settings = {}
for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        settings = order["settings"]
        say(type="ready", protocol=1, trainer="noisy")
    elif order["type"] == "run":
        segment = {"trial": order["trial"], "attempt": order["attempt"]}
        for epoch in range(order["from"] + 1, order["to"] + 1):
            moment = f"{order['trial']} {epoch}"
            if moment in settings.get("holds", []) and not os.path.exists(os.path.join(settings["held"], moment)):
                open(os.path.join(settings["held"], moment), "w").close()
                sys.exit(sys.stdin.read())
            checkpoint = os.path.join(order["checkpoints"], f"a{order['attempt']}-e{epoch}")
            with open(checkpoint, "w") as file:
                file.write(moment)
            noise = random.Random(f"{order['seed']} {epoch}").uniform(0, settings["spread"])
            loss = order["parameters"]["x"] + 1.0 / epoch + noise
            say(type="report", resource=epoch, loss=loss, metrics={}, checkpoint=checkpoint, **segment)
        say(type="done", **segment)
