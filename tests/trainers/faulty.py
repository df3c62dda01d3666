"""A trainer that goes wrong as its settings say: `fault` at `trial`, only once if `once` names a file to remember it."""
import json, os, sys, time


def say(**message):
    print(json.dumps(message), flush=True)


def strike(fault, segment, order):
    if fault == "crash":
        print("Traceback: out of luck", file=sys.stderr, flush=True)
        os._exit(7)
    if fault == "segfault":
        os.kill(os.getpid(), 11)
    if fault == "leave":
        sys.exit(0)
    if fault == "garbage":
        print('{"type": "report", "loss": NaN', flush=True)
    if fault == "endless line":
        sys.stdout.write("{" + "x" * (2 << 20))
        sys.stdout.flush()
    if fault == "failed":
        say(type="failed", message="the data ran away", **segment)
        return True
    if fault == "done too early":
        say(type="done", **segment)
        return True
    if fault == "diverge":
        say(type="report", resource=order["from"] + 1, loss=None, checkpoint=None, **segment)
        return True
    if fault == "skip":
        say(type="report", resource=order["from"] + 2, loss=0.1, checkpoint=None, **segment)
    if fault == "lie":
        say(type="report", resource=order["from"] + 2, loss=0.1, checkpoint=None, **segment)
        return False
    if fault == "half a checkpoint":
        with open(os.path.join(order["checkpoints"], "half.partial"), "w") as file:
            file.write("half")
        os._exit(7)
    if fault == "leave afterwards":
        return False
    if fault == "outside":
        say(type="report", resource=order["from"] + 1, loss=0.1, checkpoint="/etc/hostname", **segment)
    if fault == "wrong trial":
        say(type="report", trial=999, attempt=1, resource=order["from"] + 1, loss=0.0, checkpoint=None)
        return False
    if fault == "print":
        print("epoch 1 of 3: 100%|#####|", flush=True)
        return False
    if fault == "wait":
        with open(settings["fifo"]) as fifo:
            fifo.read()
        return False
    time.sleep(600)


settings = {}
for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        settings = order["settings"]
        if settings.get("fault") == "fatal":
            say(type="fatal", message="the model is not there: fetch it")
            continue
        if settings.get("fault") == "never ready":
            print("ImportError: no module named luck", file=sys.stderr, flush=True)
            sys.exit(1)
        if settings.get("fault") == "newer":
            say(type="ready", protocol=2, trainer="from the future")
            continue
        say(type="ready", protocol=1, trainer="faulty")
    elif order["type"] == "run":
        segment = {"trial": order["trial"], "attempt": order["attempt"]}
        once = settings.get("once")
        struck = order["trial"] == settings.get("trial") and not (once and os.path.exists(once))
        if struck:
            if once:
                open(once, "w").close()
            if strike(settings["fault"], segment, order):
                continue
        for epoch in range(order["from"] + 1, order["to"] + 1):
            checkpoint = os.path.join(order["checkpoints"], f"a{order['attempt']}-e{epoch}")
            with open(checkpoint, "w") as file:
                file.write(f"{order['trial']} {epoch}")
            loss = order["parameters"]["x"] + 1.0 / epoch
            say(type="report", resource=epoch, loss=loss, metrics={"accuracy": 1 - loss / 2}, checkpoint=checkpoint, **segment)
        say(type="done", **segment)
        if struck and settings["fault"] == "leave afterwards":
            os._exit(0)
