"""Searches on the slots of a real Ray cluster of two nodes, kills what can be killed, and compares the answers.

    check.py HPO

runs with the program HPO in a temporary directory, where it starts the cluster too. make check-ray does it.
"""
import json, os, pathlib, signal, subprocess, sys, tempfile, time

import ray
from ray.cluster_utils import Cluster

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HPO = str(pathlib.Path(sys.argv[1]).resolve())
TRIALS = 6
#: The searches.
started = []
#: Seconds that an epoch takes where something is killed meanwhile: the other slot must not be through before the killed one is back, which
#: takes Ray 15 seconds on a busy machine.
EPOCH = "2"

STUDY = """
[study]
trials = {trials}
[policy]
max_resource = 9
[sampler]
type = "random"
{slots}
[trial]
command = {command}
[space]
x = {{ type = "uniform", low = 0.0, high = 1.0 }}
"""
HERE = '[slots]\ndevices = "cpu"\ntrials_per_device = 2\nthreads_per_trial = 1\n'


def write(name, launch=None, epoch="0"):
    slots = HERE
    if launch:
        slots = f"[[slots]]\nlaunch = {json.dumps(launch)}\nhpo = {json.dumps(HPO)}\n" + HERE.split("\n", 1)[1]
    command = ["env", f"HPO_TEST_EPOCH={epoch}", sys.executable, str(ROOT / "tests/trainers/whole.py")]
    pathlib.Path(f"{name}.toml").write_text(STUDY.format(trials=TRIALS, slots=slots, command=json.dumps(command)))


def start(name):
    running = subprocess.Popen([HPO, "search", f"{name}.toml"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    started.append(running)
    return running


def search(name):
    running = start(name)
    said = running.communicate()[1]
    assert running.returncode == 0, said
    return said


def answer(name):
    said = subprocess.run([HPO, "trials", name, "--json"], check=True, capture_output=True, text=True).stdout
    return [{key: trial[key] for key in ("trial", "parameters", "state", "objective", "resource")} for trial in json.loads(said)]


def facts(name, kind):
    lines = pathlib.Path("studies", name, "journal.jsonl").read_text().splitlines()
    return [line for line in lines if kind in line]


def processes(begin):
    """The processes whose command lines begin with this."""
    found = []
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if words.startswith(begin.encode()):
            found.append(int(place.name))
    return found


def actors():
    # Ray names them so.
    return processes("ray::Keeper")


def agents():
    return processes(f"{HPO} agent")


def wait_until(holds, what):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def wait_for(running, text, times=1):
    said = []
    for line in running.stderr:
        said.append(line)
        times -= text in line
        if not times:
            return
    sys.exit(f"`{text}` was not said:\n{''.join(said)}")


def check_streams(launch):
    """The exit code, what Ray itself prints, and a command that does not end with its input."""
    ran = subprocess.run([*launch, "sh", "-c", "cat; echo beside >&2; exit 7"], input=b"x" * 300_000, capture_output=True)
    assert (ran.returncode, ran.stdout) == (7, b"x" * 300_000) and b"beside\n" in ran.stderr, ran
    ran = subprocess.run([*launch, "no-such-program"], stdin=subprocess.DEVNULL, capture_output=True)
    assert ran.returncode == 127 and b"can't start no-such-program" in ran.stderr, ran
    began = time.monotonic()
    stays = "trap '' TERM; sleep 600 & while :; do sleep 600; done"
    ran = subprocess.run([*launch, "sh", "-c", stays], stdin=subprocess.DEVNULL, capture_output=True)
    assert ran.returncode == 137 and time.monotonic() - began < 60, ran


def check_killed_actor(launch):
    write("lost", launch, EPOCH)
    running = start("lost")
    wait_for(running, "epoch 1")
    os.kill(actors()[0], signal.SIGKILL)
    wait_for(running, "is away until it can be reached again")
    said = running.communicate()[1]
    assert running.returncode == 0 and "is back" in said, said
    assert not facts("lost", "segment_failed") and facts("lost", "segment_stopped")


def check_killed_search(launch):
    write("killed", launch, EPOCH)
    running = start("killed")
    wait_for(running, "epoch 1", 2)
    assert len(actors()) == 2 and len(agents()) == 2
    running.kill()
    running.wait()
    wait_until(lambda: not actors(), "the actors outlive their hpo")
    wait_until(lambda: not agents(), "what the actors have started outlives them")
    search("killed")


def main():
    os.environ["PYTHONPATH"] = str(ROOT / "python")
    with tempfile.TemporaryDirectory(prefix="hpo-ray-") as place:
        os.chdir(place)
        cluster = Cluster()
        try:
            for _ in range(2):
                cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
            ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
            launch = [sys.executable, "-m", "hpo.ray", "--address", cluster.address, "--num-cpus", "1", "--"]
            check_streams(launch)
            write("here")
            search("here")
            write("there", launch)
            search("there")
            check_killed_actor(launch)
            check_killed_search(launch)
            wait_until(lambda: not actors(), "actors are left of searches that have ended")
            for name in ("there", "lost", "killed"):
                assert answer(name) == answer("here"), (name, answer(name), answer("here"))
        finally:
            for running in started:
                running.kill()
            ray.shutdown()
            cluster.shutdown()
    print("searches on Ray find what searches here find, whatever is killed")


if __name__ == "__main__":
    main()
