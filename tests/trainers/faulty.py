"""A trainer that goes wrong as its settings say: `fault` at `trial` (at all of them if there is none), on `slot` if there is
one, only once if `once` names a file to remember it, and only until there is a file `fixed`."""
import json, os, signal, subprocess, sys, time

settings = {}


def say(**message):
    print(json.dumps(message), flush=True)


def leave_behind():
    """Starts processes that hold the pipes open: one in the worker's group, and one that has left it, as daemons do."""
    sleep = ["python3", "-c", "import time; time.sleep(600)"]
    left = [subprocess.Popen(sleep, start_new_session=daemon).pid for daemon in (False, True)]
    with open(settings["left"], "w") as file:
        file.write("\n".join(map(str, left)))


def flood(stream):
    line = b"x" * 999 + b"\n"
    for _ in range(250):
        os.write(stream, line * 100)


def tally():
    """Counts what goes wrong, and after `times` of them lets those go on that wait for it."""
    if "times" not in settings:
        return
    with open(settings["count"], "a") as file:
        file.write("x")
    if os.path.getsize(settings["count"]) == settings["times"]:
        open(settings["fifo"], "w").close()


def report(segment, order, **changes):
    """A report of the next epoch, with a checkpoint."""
    checkpoint = os.path.join(order["checkpoints"], f"bad-{order['attempt']}")
    with open(checkpoint, "w") as file:
        file.write("bad")
    say(**{"type": "report", "resource": order["from"] + 1, "loss": 0.001, "checkpoint": checkpoint, **segment, **changes})


def strike(fault, segment, order):
    if fault.startswith("export "):
        return False
    if fault == "crash":
        print("Traceback: out of luck", file=sys.stderr, flush=True)
        os._exit(7)
    if fault in ("SIGSEGV", "SIGABRT", "SIGKILL"):
        os.kill(os.getpid(), getattr(signal, fault))
    if fault == "leave":
        say(type="progress", resource=0.5, **segment)
        sys.exit(0)
    if fault == "leave children":
        leave_behind()
        os._exit(7)
    if fault == "orphan":
        leave_behind()
        report(segment, order)
    if fault == "garbage":
        print('{"type": "report", "loss": NaN', flush=True)
    if fault == "not UTF-8":
        os.write(1, b'{"type": "\xff\xfe"}\n')
    if fault == "deep":
        print('{"type":' * 100_000, flush=True)
    if fault == "endless line":
        sys.stdout.write("{" + "x" * (2 << 20))
        sys.stdout.flush()
    if fault == "endless log line":
        for _ in range(64):
            os.write(1, b"x" * (1 << 20))
    if fault == "flood of prints":
        flood(1)
        return False
    if fault == "flood of logs":
        flood(2)
        return False
    if fault in ("endless prints", "endless empty lines"):
        line = b"\n" if fault == "endless empty lines" else b"x" * 99 + b"\n"
        while True:
            os.write(1, line * 600)
    if fault == "flood of progress":
        for n in range(100_000):
            print('{"type":"progress","trial":%d,"attempt":%d,"resource":0.5}' % tuple(segment.values()))
        return False
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
        report(segment, order, resource=order["from"] + 2)
    if fault == "go back":
        report(segment, order, resource=order["from"])
    if fault == "no checkpoint":
        report(segment, order, checkpoint=None)
    if fault == "missing checkpoint":
        report(segment, order, checkpoint=os.path.join(order["checkpoints"], "none"))
    if fault == "outside":
        report(segment, order, checkpoint="/etc/hostname")
    if fault == "climb out":
        report(segment, order, checkpoint=os.path.join(order["checkpoints"], "..", "..", "journal.jsonl"))
    if fault == "half a checkpoint":
        with open(os.path.join(order["checkpoints"], "half.partial"), "w") as file:
            file.write("half")
        os._exit(7)
    if fault == "vast checkpoint":
        path = os.path.join(order["checkpoints"], "vast")
        with open(path, "w") as file:
            file.truncate(1 << 43)
        report(segment, order, checkpoint=path)
        if "fifo" in settings:
            open(settings["fifo"], "w").close()
    if fault == "a log that is a pipe":
        log = os.path.join(settings["logs"], f"trial-{order['trial']:04}.log")
        os.mkfifo(log)
        print("epoch 1", file=sys.stderr, flush=True)
        os._exit(7)
    if fault == "link":
        path = os.path.join(order["checkpoints"], "link")
        os.symlink("/etc/hostname", path)
        report(segment, order, checkpoint=path)
    if fault == "pipe":
        path = os.path.join(order["checkpoints"], "pipe")
        os.mkfifo(path)
        report(segment, order, checkpoint=path)
    if fault == "one name for all":
        report(segment, order, loss=2.0)
        report(segment, order, resource=order["from"] + 2, loss=2.0)
    if fault == "thousands of metrics":
        report(segment, order, metrics={f"m{n}": n for n in range(5000)})
    if fault == "a name of a megabyte":
        report(segment, order, metrics={"m" * 900_000: 1})
    if fault == "a name with escapes":
        report(segment, order, metrics={"\x1b[2J": 1})
    if fault == "ready":
        say(type="ready", protocol=1, trainer="again")
    if fault == "evaluated":
        say(type="evaluated", loss=0.0)
    if fault == "exported":
        say(type="exported", directory=os.getcwd())
    if fault == "stopped":
        say(type="stopped", checkpoint=None, **segment)
    if fault == "wrong trial":
        report(segment, order, trial=999)
        return False
    if fault == "older attempt":
        report(segment, order, attempt=0)
        return False
    if fault == "print":
        print("epoch 1 of 3: 100%|#####|", flush=True)
        return False
    if fault == "close the input":
        os.dup2(os.pipe()[0], 0)
        return False
    if fault == "do not leave":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open(settings["left"], "w") as file:
            file.write(str(os.getpid()))
        return False
    if fault == "wait":
        with open(settings["fifo"]) as fifo:
            fifo.read()
        return False
    if fault == "fail often":
        tally()
        say(type="failed", message="CUDA error: the GPU has fallen off the bus", **segment)
        return True
    time.sleep(600)


def due(name):
    """Whether the fault is to strike now; `name` is what it is called."""
    if not name or settings.get("fault") != name or os.path.exists(settings.get("fixed", "")):
        return False
    if "slot" in settings and not os.environ["HPO_WORKER"].endswith(f"#{settings['slot']}"):
        return False
    once = settings.get("once")
    if once and os.path.exists(once):
        return False
    if once:
        open(once, "w").close()
    return True


def start():
    if due("fatal"):
        tally()
        say(type="fatal", message="the model is not there: fetch it")
        return
    if due("never ready"):
        tally()
        print("ImportError: no module named luck", file=sys.stderr, flush=True)
        sys.exit(1)
    if due("silent"):
        time.sleep(600)
    if due("newer"):
        say(type="ready", protocol=2, trainer="from the future")
        return
    if settings.get("fills_cache"):
        os.makedirs(settings["shared"], exist_ok=True)
        open(os.path.join(settings["shared"], "file"), "w").close()
    say(type="ready", protocol=1, trainer="faulty", features=settings.get("features", []))


for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "start":
        settings = order["settings"]
        settings["shared"] = order["cache"]
        start()
    elif order["type"] == "export":
        if "HPO_TEST_WAIT" in os.environ:
            open(os.environ["HPO_TEST_WAIT"], "w").close()
            open(os.environ["HPO_TEST_WAIT"]).close()
        if due("export and die"):
            os._exit(7)
        elif due("export and hang"):
            os.mkdir(order["directory"])
            leave_behind()
            open(settings["fifo"], "w").close()
            time.sleep(600)
        elif due("export a pipe"):
            os.mkdir(order["directory"])
            os.mkfifo(os.path.join(order["directory"], "pipe"))
            say(type="exported", directory=order["directory"])
        elif due("export a link to a file"):
            os.mkdir(order["directory"])
            os.symlink("/etc/hostname", os.path.join(order["directory"], "link"))
            say(type="exported", directory=order["directory"])
        elif due("export elsewhere"):
            say(type="exported", directory=settings["elsewhere"])
        elif due("export a link"):
            os.symlink(settings["elsewhere"], order["directory"])
            say(type="exported", directory=order["directory"])
        else:
            os.mkdir(order["directory"])
            open(os.path.join(order["directory"], "model"), "w").close()
            say(type="exported", directory=order["directory"])
    elif order["type"] == "run":
        segment = {"trial": order["trial"], "attempt": order["attempt"]}
        fault = settings.get("fault")
        leaves = fault in ("leave afterwards", "leave when asked again") and order["trial"] == settings.get("trial") and due(fault)
        if order["trial"] == settings.get("trial", order["trial"]) and due(fault) and strike(fault, segment, order):
            continue
        waits = settings.get("waits")
        if waits and os.environ["HPO_WORKER"].endswith(f"#{waits}"):
            open(settings["fifo"]).close()
            settings["waits"] = None
        for epoch in range(order["from"] + 1, order["to"] + 1):
            checkpoint = os.path.join(order["checkpoints"], f"a{order['attempt']}-e{epoch}")
            with open(checkpoint, "w") as file:
                file.write(f"{order['trial']} {epoch}")
            loss = order["parameters"]["x"] + 1.0 / epoch
            say(type="report", resource=epoch, loss=loss, metrics={"accuracy": 1 - loss / 2}, checkpoint=checkpoint, **segment)
        say(type="done", **segment)
        if leaves:
            if fault == "leave when asked again":
                sys.stdin.readline()
            os._exit(0)
if settings.get("fault") == "do not leave":
    time.sleep(600)
