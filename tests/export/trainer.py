"""Trials whose results follow from their numbers: 1 diverges at its second report, 3 fails after its first, 5 before any. With
HPO_TEST_HOLD, the name of a pipe, trial 7 waits before its first report until the pipe has been opened for writing and closed."""
import json, os, sys


def say(**message):
    print(json.dumps(message), flush=True)


for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        say(type="ready", protocol=1, trainer="export")
        continue
    trial = order["trial"]
    segment = {"trial": trial, "attempt": order["attempt"]}
    if trial == 7 and order["from"] == 0 and "HPO_TEST_HOLD" in os.environ:
        open(os.environ["HPO_TEST_HOLD"]).read()
    for epoch in range(order["from"] + 1, order["to"] + 1):
        if trial == 3 and epoch == 2 or trial == 5:
            say(type="failed", message="out of \"luck\",\nand of time", **segment)
            break
        checkpoint = os.path.join(order["checkpoints"], f"a{order['attempt']}-{epoch}")
        open(checkpoint, "w").close()
        value = (trial * 7 % 12) / 16 + epoch / 64
        if trial == 1 and epoch == 2:
            value = float("nan")
        metrics = {"ndcg@10": value, "genauigkeit ß": 0.5}
        say(type="report", resource=epoch, loss=1 - trial / 16, metrics=metrics, checkpoint=checkpoint, **segment)
        if value != value:
            break
    else:
        say(type="done", **segment)
