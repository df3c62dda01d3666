"""A trainer that speaks the whole protocol, and goes wrong or slowly as its environment says, which no study records:

HPO_TEST_EPOCH   seconds that an epoch takes
HPO_TEST_FAULTS  `trial:attempt:fault`, several with commas between; the faults are `crash` and `failed`
HPO_TEST_ORDERS  a file to which every order is appended as it came

Its setting `bytes` is the size of a checkpoint [default: 20], and with `far`, which is that of the untrained model, there is a metric of that name.
With `ms` there is one of that name too: so many times `x`, in the report of the first epoch only.
With `models`, a list of base models, `far` of each untrained one is higher by 1 than that of the one before.
"""
import json, os, select, sys

epoch_seconds = float(os.environ.get("HPO_TEST_EPOCH", "0"))
faults = dict(fault.rsplit(":", 1) for fault in filter(None, os.environ.get("HPO_TEST_FAULTS", "").split(",")))
orders = os.environ.get("HPO_TEST_ORDERS")
pending = b""


def say(**message):
    print(json.dumps(message), flush=True)


def hear(seconds=None):
    """The next order; none if it has not come in so many seconds."""
    global pending
    while b"\n" not in pending:
        if not select.select([0], [], [], seconds)[0]:
            return None
        more = os.read(0, 1 << 16)
        if not more:
            os._exit(0)
        pending += more
    line, pending = pending.split(b"\n", 1)
    if orders:
        with open(orders, "ab") as file:
            file.write(line + b"\n")
    return json.loads(line)


def save(order, name):
    path = os.path.join(order["checkpoints"], f"a{order['attempt']}-{name}")
    with open(path, "wb") as file:
        file.write(f"{order['trial']} {name} ".encode().ljust(settings.get("bytes", 20), b"."))
    return path


def train(order):
    segment = {"trial": order["trial"], "attempt": order["attempt"]}
    fault = faults.get(f"{order['trial']}:{order['attempt']}")
    if order["checkpoint"]:
        with open(order["checkpoint"], "rb") as file:
            assert file.read().startswith(f"{order['trial']} ".encode()), "this is no checkpoint of the trial"
    for epoch in range(order["from"] + 1, order["to"] + 1):
        stop = hear(epoch_seconds)
        if stop and stop["type"] == "stop" and stop["attempt"] == order["attempt"]:
            return say(type="stopped", checkpoint=save(order, f"stop{epoch}") if stop["save"] else None, **segment)
        if fault == "crash":
            print("Traceback: out of luck", file=sys.stderr, flush=True)
            os._exit(7)
        if fault == "failed":
            return say(type="failed", message="the data ran away", **segment)
        loss = abs(order["parameters"]["x"] - 0.3) + 1.0 / epoch
        say(type="progress", resource=epoch - 0.5, examples_per_second=10.0, **segment)
        checkpoint = save(order, f"e{epoch}")
        # What is farther from the lowest loss, and later, is worse by the one metric and better by the other.
        metrics = {"accuracy": 1 - loss / 2}
        if "far" in settings:
            metrics["far"] = abs(order["parameters"]["x"] - 0.3) - 1.0 / epoch
        if "ms" in settings and epoch == 1:
            metrics["ms"] = settings["ms"] * order["parameters"]["x"]
        say(type="report", resource=epoch, loss=loss, metrics=metrics, checkpoint=checkpoint, **segment)
    say(type="done", **segment)


while True:
    order = hear()
    if order["type"] == "start":
        settings = order["settings"]
        say(type="ready", protocol=1, trainer="whole", features=["evaluate", "export"])
    elif order["type"] == "evaluate":
        far = [{"far": settings["far"] + place} if "far" in settings else {} for place in range(len(settings.get("models", [""])))]
        untrained = [{"loss": 1.75, "metrics": {"accuracy": 0.125} | metrics} for metrics in far]
        if "models" in settings:
            say(type="evaluated", models=dict(zip(settings["models"], untrained)))
        else:
            say(type="evaluated", **untrained[0])
    elif order["type"] == "run":
        train(order)
    elif order["type"] == "export":
        os.mkdir(order["directory"])
        with open(order["checkpoint"], "rb") as source, open(os.path.join(order["directory"], "model"), "wb") as model:
            model.write(source.read())
        say(type="exported", directory=order["directory"], test={"loss": 0.5, "metrics": {"accuracy": 0.75}})
