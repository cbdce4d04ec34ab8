"""The kernel of the GPU engine, tried without a card: in C++ with one thread and with many, under ThreadSanitizer, in
Oclgrind, and by NVIDIA's compiler.

The texts come from the example `kernel` of thalweg-gpu (THALWEG_KERNEL, or target/debug/examples/kernel). Skipped, each
with a word: what needs g++, what needs Oclgrind, and what needs libnvrtc (`pip install nvidia-cuda-nvrtc`, or
THALWEG_NVRTC=path/to/libnvrtc.so.13).
"""

import ctypes
import os
import re
import shutil
import subprocess
import sysconfig
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KERNEL = os.environ.get("THALWEG_KERNEL", HERE.parent.parent / "target/debug/examples/kernel")
pytestmark = pytest.mark.skipif(not Path(KERNEL).exists(), reason="the example `kernel` is not built")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
needs_oclgrind = pytest.mark.skipif(shutil.which("oclgrind-kernel") is None, reason="there is no oclgrind-kernel")


def told_by(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=100, **options).stdout


def text(language, threads, variant):
    return told_by(KERNEL, language, str(threads), variant)


FLAGS = ["-std=c++20", "-w", "-pthread", "-mfma", "-ffp-contract=off", "-fno-strict-aliasing"]
RACES = ["-O1", "-g", "-fsanitize=thread"]


def build(folder, name, source, flags):
    """The program host.cpp with this kernel."""
    (folder / f"{name}.h").write_text(source)
    program = folder / name
    command = ["g++", *FLAGS, *flags, f'-DKERNEL_TEXT="{folder / name}.h"', HERE / "host.cpp", "-o", program]
    subprocess.run(command, check=True)
    return program


# ------------------------------------------------------------------------------------------------------------- bits

# Values of ENDED_ that the six networks of host.cpp come to.
OVER, DIVERGED, FIXED, GIVEN_BACK = 2, 3, 4, 5
ENDS = {
    "small": [OVER, DIVERGED, OVER, OVER, FIXED, OVER],
    "everything": [OVER, OVER, OVER, OVER, OVER, GIVEN_BACK],
}


@needs_compiler
@pytest.mark.parametrize(
    "variant", ["small", "everything", "deep", "linear", "relu-f32", "tanh-f64", "output-tanh", "logistic", "far"]
)
def test_bits_depend_neither_on_threads_nor_on_what_lies_in_memory(variant, tmp_path):
    def program(threads):
        return build(tmp_path, f"threads-{threads}", text("host", threads, variant), ["-O2"])

    with ThreadPoolExecutor(2) as pool:
        one, eight = pool.map(program, [1, 8])
    told = told_by(one, "40", "0")
    assert told.count("network") == 6 and told.count("losses") == 6
    assert told == told_by(eight, "40", "255")
    if variant in ENDS:
        assert [int(ended, 16) for ended in re.findall(r"whole (\w+)", told)] == ENDS[variant]


# ---------------------------------------------------------------------------------------------------------- barriers


def numbered(source):
    """The text with MEETING(n, BARRIER) or MEETING(n, FENCE) in the place of each barrier, and where each stands: as
    "UP 1", the first one of UP, or as the line of code that follows.
    """
    places = []

    def number(match):
        line = source[source.rindex("\n", 0, match.start()) + 1 : match.start()]
        if macro := re.match(r"#define (UP|DOWN) ", line):
            place = f"{macro[1]} {line.count('BARRIER()') + 1}"
        else:
            after = (line.strip() for line in source[match.end() + 1 :].splitlines())
            place = next(line for line in after if line and not line.startswith(("#", "//", "}", "{")))
        places.append(place)
        return f"MEETING({len(places) - 1}, {match[1]})"

    return re.sub(r"(?<!define )\b(BARRIER|FENCE)\(\)", number, source), places


def compiled(source):
    """The numbers of the barriers that a variant has, of all in the text."""
    told = told_by("g++", "-std=c++20", "-E", "-P", "-x", "c++", "-", input=source)
    return [int(n) for n in re.findall(r"\bMEETING\((\d+)", told)]


# Barriers that may be taken out of a variant, by what follows them, as others do their work. Those before a network's
# first step and after each step: the mini-batch's, which come before the first product. The one after the weights of
# the points: those between layers. The one after a change of rates: those about the norm.
BY_OTHERS = {
    "small": set(),
    "everything": {"for (;;) {", "before = loss;", "UP", "const int diverged = !(loss <= limit);"},
}
# Only in OpenCL does a barrier not order all memory: elsewhere the one after the claim of an end does its work.
BY_OTHERS_BUT_IN_OPENCL = {"GLOBAL real *head = slot + STATE;"}

# Which barrier the program leaves out it is told when it runs: one compilation for all.
REMOVABLE = """#include <cstdlib>
static const int removed = atoi(getenv("REMOVED"));
#define MEETING(n, how) if (n != removed) how()
"""


def races(program, steps, removed=-1):
    """What ThreadSanitizer says; to the first race."""
    environment = dict(os.environ, TSAN_OPTIONS="halt_on_error=1", REMOVED=str(removed))
    done = subprocess.run([program, str(steps), "0"], env=environment, capture_output=True, text=True, timeout=100)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("this ThreadSanitizer cannot run here: " + done.stderr.strip())
    found = "ThreadSanitizer: data race" in done.stderr
    assert found or done.returncode == 0, done.stderr
    return done.stderr


@needs_compiler
@pytest.mark.parametrize("variant, steps", [("small", 12), ("everything", 12), ("deep", 12), ("linear", 12), ("far", 3)])
def test_threads_do_not_race(variant, steps, tmp_path):
    assert races(build(tmp_path, "races", text("host", 8, variant), RACES), steps) == ""


@needs_compiler
@pytest.mark.parametrize("variant", ["small", "everything"])
def test_no_barrier_is_without_use(variant, tmp_path):
    # Six threads, as no product of these variants then leaves a row to the thread that reads it.
    source, places = numbered(text("host", 6, variant))
    program = build(tmp_path, "removed", REMOVABLE + source, RACES)
    assert races(program, 12) == ""
    # A race is nearly always seen, not always: three tries.
    unseen = {places[n] for n in compiled(source) if not any(races(program, 12, n) for _ in range(3))}
    assert unseen == BY_OTHERS[variant] | BY_OTHERS_BUT_IN_OPENCL


# --------------------------------------------------------------------------------------------------------- Oclgrind


def simulate(folder, source):
    """What Oclgrind leaves in the buffers, and what it says."""
    (folder / "train.cl").write_text(source)
    command = ["oclgrind-kernel", "--num-threads", "1", "--data-races", "--max-errors", "3", "train.sim"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    return [line for line in done.stdout.splitlines() if " = " in line], done.stderr


def write_simulation(folder, threads, variant):
    program = build(folder, "host", text("host", threads, variant), ["-O1"])
    told_by(program, "12", "0", folder)


@needs_compiler
@needs_oclgrind
@pytest.mark.parametrize("variant", ["small", "everything", "deep", "linear", "method-4", "output-tanh", "tanh-f64"])
def test_no_race_in_opencl_and_the_bits_of_cpp(variant, tmp_path):
    write_simulation(tmp_path, 8, variant)
    left, said = simulate(tmp_path, text("opencl", 8, variant))
    assert said == ""
    expected = (tmp_path / "expected").read_text().splitlines()
    assert len(left) == len(expected)
    # Optimized, the word of a mini-batch's stream that `at % 4` chooses is another one in Oclgrind 21.10.
    if variant != "everything":
        assert sorted(left) == sorted(expected)


@needs_compiler
@needs_oclgrind
@pytest.mark.parametrize("variant", ["small", "everything"])
def test_no_barrier_is_without_use_in_opencl(variant, tmp_path):
    write_simulation(tmp_path, 6, variant)
    source, places = numbered(text("opencl", 6, variant))
    meetings = compiled(numbered(text("host", 6, variant))[0])

    def said(n, instead):
        meeting = f"#define MEETING(n, how) if (n != {n}) how(); else {instead}\n"
        return simulate(tmp_path, meeting + source)[1]

    assert said(-1, "") == ""
    unseen = {places[n] for n in meetings if not re.search("data race|divergence", said(n, ""))}
    assert unseen == BY_OTHERS[variant]
    # And none of the fences would do as a barrier, which orders the group's own memory only.
    fences = [n for n in meetings if f"MEETING({n}, FENCE)" in source]
    assert len(fences) == 3 and all("data race" in said(n, "BARRIER()") for n in fences)


# ------------------------------------------------------------------------------------------------------------- CUDA


def find_nvrtc():
    if "THALWEG_NVRTC" in os.environ:
        return Path(os.environ["THALWEG_NVRTC"])
    return max(Path(sysconfig.get_path("purelib")).glob("nvidia/**/libnvrtc.so.*"), default=None)


NVRTC = find_nvrtc()
library = None


def load():
    """NVRTC in a process of its own: it compiles one kernel at a time."""
    global library
    for builtins in NVRTC.parent.glob("libnvrtc-builtins.so.*"):
        ctypes.CDLL(builtins, mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(NVRTC)


def compile_cuda(source, target, *options):
    """Error, log, and PTX for `compute_75`, machine code for `sm_75`."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"train.cu", 0, None, None) == 0
    all_options = [f"--gpu-architecture={target}".encode(), *(option.encode() for option in options)]
    error = library.nvrtcCompileProgram(program, len(all_options), (ctypes.c_char_p * len(all_options))(*all_options))

    def get(what):
        assert getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
        told = ctypes.create_string_buffer(size.value)
        assert getattr(library, f"nvrtcGet{what}")(program, told) == 0
        return told.raw

    log = get("ProgramLog").decode()
    code = b"" if error else get("PTX" if target.startswith("compute") else "CUBIN")
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return error, log, code


@pytest.fixture(scope="module")
def cuda():
    """Compiles a list of kernels (source, target, options...) on two processors."""
    if NVRTC is None:
        pytest.skip("there is no libnvrtc: pip install nvidia-cuda-nvrtc")
    with ProcessPoolExecutor(2, initializer=load) as pool:
        yield lambda kernels: list(pool.map(compile_cuda, *zip(*kernels)))


def cuda_text(variant):
    # So many as the engine takes.
    return text("cuda", {"wide": 64, "far": 256}.get(variant, 32), variant)


# They round nothing. The larger of two is the same in C and in PTX where one is a constant, not where both may be NaN.
EXACT = "abs|ld|mov|neg|selp|setp|st"
WITH_A_CONSTANT = r"(max|min)\.f(32|64)\s+%\w+, %\w+, 0[fd][0-9A-F]+;"
ROUNDED = r"(add|sub|mul|fma|div|rcp|sqrt)\.rn\.f(32|64)"


def not_rounded(ptx):
    """Instructions on floating-point numbers that are not rounded as IEEE 754 says, and calls."""
    found = []
    for line in ptx.splitlines():
        instruction = re.sub(r"^@!?%p\d+\s+", "", line.strip())
        name = re.split(r"[\s;]", instruction)[0]
        if name.startswith("call") or ".approx" in name or ".ftz" in name:
            found.append(instruction)
        elif re.search(r"^[a-z].*\.b?f\d", name):
            first = name.split(".")[0]
            is_known = re.fullmatch(EXACT, first) or re.fullmatch(ROUNDED, name)
            if not is_known and not re.match(WITH_A_CONSTANT, instruction):
                found.append(instruction)
    return found


def test_cuda_rounds_each_operation(cuda):
    names = told_by(KERNEL, "list").split()
    sources = [cuda_text(variant) for variant in names]
    told = cuda([(source, "compute_75", "--fmad=false") for source in sources])
    for variant, source, (error, log, code) in zip(names, sources, told):
        assert error == 0, (variant, log)
        ptx = code.decode()
        assert not_rounded(ptx) == [], variant
        # And none in the other precision.
        mine, other = (".f64", ".f32") if "#define DOUBLE 1" in source else (".f32", ".f64")
        assert f"fma.rn{mine}" in ptx and not re.search(rf"\{other}\b", ptx), variant


def test_cuda_that_rounds_otherwise_is_noticed(cuda):
    source = cuda_text("small")
    fma, divide = "__fmaf_rn(a, b, c)", "__fdiv_rn(a, b)"
    assert fma in source and divide in source
    told = cuda([
        (source.replace(fma, "((a) * (b) + (c))"), "compute_75", "--fmad=true"),
        (source.replace(divide, "__fdividef(a, b)"), "compute_75", "--fmad=false"),
        (source.replace(divide, "((a) / (b))"), "compute_75", "--prec-div=false"),
        (source, "compute_75", "--ftz=true"),
    ])  # fmt: skip
    assert all(error == 0 and not_rounded(code.decode()) for error, _, code in told)


def test_cuda_compiles_for_every_card(cuda):
    cards = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]
    kernels = [(variant, card) for variant in ["everything", "far", "deep", "tanh-f64", "small"] for card in cards]
    told = cuda([(cuda_text(variant), card, "--fmad=false") for variant, card in kernels])
    for kernel, (error, log, code) in zip(kernels, told):
        assert error == 0 and code.startswith(b"\x7fELF"), (kernel, log)
