"""PyTorch for Python as its wheel has it, without the gigabytes of Nvidia's libraries that the wheel depends on.

On a machine with no GPU nothing of them is called, but the linker looks for them when PyTorch is imported. So it is given libraries of
their names that define what PyTorch takes from them, and hold nothing.
"""
import re
import subprocess
import zipfile

#: What a wheel of PyTorch has that is only for compiling against it.
LEFT_OUT = ("torch/include/",)
NVIDIA = re.compile(r"lib(cu|nv|nccl)")
SYMBOL = re.compile(r"cu[A-Za-z]|nccl|nv")


def unpack(path, target, extract):
    """The wheel at `path`, by `extract(wheel, name, file)`."""
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            if not name.endswith("/") and not name.startswith(LEFT_OUT):
                extract(wheel, name, target / name)
    # Which importing it looks for.
    (target / "torch/bin/torch_shm_manager").chmod(0o755)


def stand_in(directory):
    """Makes the libraries of Nvidia's in `directory` that those there name and that are missing. Needs a C compiler with binutils."""
    libraries = [file for file in directory.iterdir() if ".so" in file.name]
    named, wanted, defined = set(), set(), set()
    for file in libraries:
        named.update(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", file)))
        defined.update(symbols(file, "--defined-only"))
        wanted.update(name for name in symbols(file, "--undefined-only") if SYMBOL.match(name))
    missing = sorted(name for name in named - {file.name for file in libraries} if NVIDIA.match(name))
    if not missing:
        return
    # The symbols are in a library of a name that nothing asks for: the linker insists on the versions of those it finds in one that it
    # knows versions of.
    entries = "".join(f".globl {name}\n.type {name},%function\n{name}:\n" for name in sorted(wanted - defined))
    link(directory / "libnothing.so", "-Wl,-soname,libnothing.so", source=f".text\n{entries}.long 0\n")
    link(directory / missing[0], "-Wl,--no-as-needed", directory / "libnothing.so", "-Wl,-rpath,$ORIGIN")
    for name in missing[1:]:
        (directory / name).symlink_to(missing[0])


def symbols(file, which):
    return {line.split()[-1].partition("@")[0] for line in output("nm", "-D", which, file).splitlines() if line}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def link(library, *options, source=""):
    command = ["cc", "-shared", "-nostdlib", "-o", library, "-x", "assembler", "-", "-x", "none", *options]
    subprocess.run(command, input=source, check=True, text=True)
