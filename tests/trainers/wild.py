"""A trainer whose author did not think of who reads its output: `how` says how it writes its messages, `loss` and `metric` are put
into its reports of trial 1 as they stand."""
import json, os, signal, sys

how, settings = None, {}


def write(text):
    if how == "a bar before":
        for percent in (0, 50, 100):
            sys.stdout.write(f"\rtraining: {percent:3}%|{'#' * (percent // 10):10}|")
    if how == "a long bar before" and '"report"' in text:
        for step in range(20_000):
            sys.stdout.write(f"\rtraining: step {step:5} of 20000 [00:01<00:01, 2.50 steps/s, loss 0.5]")
    if how == "colours":
        sys.stdout.write("\x1b[0m\x1b[1;32m")
        text += "\x1b[0m"
    if how == "a sentence before":
        sys.stdout.write("Loading the model, which is large ... ")
    if how == "carriage returns":
        text += "\r"
    if how == "dictionaries between":
        print({"loss": 0.69, "grad_norm": float("nan"), "learning_rate": 2e-05, "epoch": 1.0})
        print(json.dumps({"loss": float("nan"), "step": 10, "event": {"type": "log"}}))
    sys.stdout.write(text)
    if how == "two on a line" and '"report"' in text:
        return
    sys.stdout.write("\n")
    if how != "no flush":
        sys.stdout.flush()


def say(**message):
    write(json.dumps(message))


for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        settings = order["settings"]
        how = settings.get("how")
        say(type="ready", protocol=1, trainer="wild")
    elif order["type"] == "run":
        segment = {"trial": order["trial"], "attempt": order["attempt"]}
        if "fifo" in settings:
            open(settings["fifo"]).close()
        for epoch in range(order["from"] + 1, order["to"] + 1):
            checkpoint = os.path.join(order["checkpoints"], f"a{order['attempt']}-e{epoch}")
            with open(checkpoint, "w") as file:
                file.write(f"{order['trial']} {epoch}")
            loss = order["parameters"]["x"] + 1.0 / epoch
            metrics = {"accuracy": 0.5, "special": 0.25}
            if how == "signals":
                is_default = [signal.getsignal(one) == signal.SIG_DFL for one in (signal.SIGTERM, signal.SIGHUP)]
                metrics = dict(zip(("term", "hup"), map(int, is_default)))
            report = {"type": "report", "resource": epoch, "loss": loss, "metrics": metrics, "checkpoint": checkpoint, **segment}
            text = json.dumps(report)
            if order["trial"] == 1 and "loss" in settings:
                text = text.replace(f'"loss": {loss}', settings["loss"])
            if order["trial"] == 1 and "metric" in settings:
                text = text.replace('"special": 0.25', f'"special": {settings["metric"]}')
            write(text)
        say(type="done", **segment)
