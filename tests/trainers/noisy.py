"""A trainer whose losses depend on the seed too: `spread` says by how much."""
import json, os, random, sys


def say(**message):
    print(json.dumps(message), flush=True)


spread = 0.0
for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        spread = order["settings"]["spread"]
        say(type="ready", protocol=1, trainer="noisy")
    elif order["type"] == "run":
        segment = {"trial": order["trial"], "attempt": order["attempt"]}
        for epoch in range(order["from"] + 1, order["to"] + 1):
            checkpoint = os.path.join(order["checkpoints"], f"a{order['attempt']}-e{epoch}")
            with open(checkpoint, "w") as file:
                file.write(f"{order['trial']} {epoch}")
            noise = random.Random(f"{order['seed']} {epoch}").uniform(0, spread)
            loss = order["parameters"]["x"] + 1.0 / epoch + noise
            say(type="report", resource=epoch, loss=loss, metrics={}, checkpoint=checkpoint, **segment)
        say(type="done", **segment)
