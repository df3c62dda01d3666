"""A trainer whose training loss always falls, and whose validation loss rises again if `x` is above `threshold`."""
import json, os, sys


def say(**message):
    print(json.dumps(message), flush=True)


for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        threshold = order["settings"]["threshold"]
        say(type="ready", protocol=1, trainer="overfitting", features=["evaluate"])
    elif order["type"] == "evaluate":
        say(type="evaluated", loss=1.0, metrics={"mean_cosine": 0.1})
    elif order["type"] == "run":
        segment = {"trial": order["trial"], "attempt": order["attempt"]}
        x = order["parameters"]["x"]
        for epoch in range(order["from"] + 1, order["to"] + 1):
            checkpoint = os.path.join(order["checkpoints"], f"a{order['attempt']}-e{epoch}")
            with open(checkpoint, "w") as file:
                file.write(str(epoch))
            loss = 0.2 + 0.8 / (1 + epoch) + (0.05 * max(0, epoch - 3) if x > threshold else 0.0)
            metrics = {"train_loss": 1 / epoch, "mean_cosine": 0.99 if x > 0.9 else 0.2}
            say(type="report", resource=epoch, loss=loss, metrics=metrics, checkpoint=checkpoint, **segment)
        say(type="done", **segment)
