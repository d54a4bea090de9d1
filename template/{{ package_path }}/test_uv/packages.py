"""Packages that have to match torch: PyTorch's own, and others compiled for it."""

import re
import shutil
import struct
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO

from .builds import Build, recorded
from .findings import Finding, one_line

OURS = "numpy", "torchvision", "torchaudio", "torchcodec"
PAGE = "see docs/compiled-packages.md of torch-uv-template"
OTHERS = "flash-attn", "xformers", "torchao", "bitsandbytes", "torch-scatter", "pyg-lib"
FFMPEG = {  # program -> how it installs FFmpeg with its shared libraries
    "apt": "sudo apt install ffmpeg",
    "dnf": "sudo dnf install ffmpeg-free",
    "brew": "brew install ffmpeg",
    "winget": "winget install Gyan.FFmpeg.Shared",
    "choco": "choco install ffmpeg-shared",
}
WAV = b"RIFF", 44, b"WAVEfmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", 8
SOUND = struct.pack("<4sI8sIHHIIHH4sI8x", *WAV)  # a file of eight samples


def check(package: str, build: Build, device: str, fix: str) -> Finding | None:
    """Say what is wrong with an installed package, if anything."""
    version, torch = recorded(package), str(build.torch.__version__)
    error = error_of(package, build, device)
    other = made_for(version.partition("+")[2], build.accelerator, torch)
    if not (error or other):
        return None
    what = f"{package} {version} does not work with torch {torch}"
    why, mend = (f"since it is for {other}", "") if other else why_not(error)
    mend = mend or (PAGE if package in OTHERS else fix)
    return Finding(what, why, mend, problem=bool(error))


def error_of(package: str, build: Build, device: str) -> BaseException | None:
    """Call the compiled code of a package, and return what it raises."""
    tensor = build.torch.tensor
    try:
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            if package == "numpy":
                build.torch.from_numpy(build.numpy.array([1.0])).numpy()
            elif package == "torchvision":
                boxes, scores = tensor([[0.0, 0.0, 2.0, 2.0]]), tensor([0.5])
                nms = import_module("torchvision").ops.nms
                nms(boxes.to(device), scores.to(device), 0.5)
            elif package == "torchaudio":
                wave, keep = tensor([0.5, -0.5]), tensor([1.0, 0.0])
                import_module("torchaudio.functional").lfilter(wave, keep, keep)
            elif package == "torchcodec":
                decoders = import_module("torchcodec.decoders")
                decoders.AudioDecoder(SOUND).get_all_samples()
            else:
                import_module(package.replace("-", "_"))
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it raises)
        return error
    return None


def made_for(local: str, accelerator: str, torch: str) -> str:
    """Name the torch and CUDA in a local version such as pt210cu130, if they differ."""
    flat, own = local.replace(".", ""), "cpu" if accelerator == "xpu" else accelerator
    named = [
        name for name in re.findall(r"cpu|cu\d+", flat) if not own.startswith(name)
    ]
    for major, minor in re.findall(r"(?:torch|pt)(\d)(\d+)", flat):
        named += (
            [] if torch.startswith(f"{major}.{minor}.") else [f"torch {major}.{minor}"]
        )
    return " and ".join(named)


def why_not(error: BaseException | None) -> tuple[str, str]:
    """Tell FFmpeg's missing libraries, for torchcodec, from those of another build."""
    reason = one_line(getattr(error, "__cause__", None) or error)
    if reason.startswith("Could not load libtorchcodec"):  # its tries follow
        tries = re.findall(r"Error: (?!Could not)(.+)", str(error))
        rest = [line for line in tries if not re.search(r"\blib(av|sw)\w+\.", line)]
        if not rest:
            run = [f"run `{FFMPEG[name]}`" for name in FFMPEG if shutil.which(name)]
            fix = "install FFmpeg 4 to 9 with its shared libraries"
            return "since it finds no FFmpeg", run[0] if run else fix
        reason = rest[0]
    if re.search(r"\blib(cu|nv|c10_cuda|torch_cuda)", reason):
        reason = f"it is built for another accelerator ({reason})"
    npp = "install NPP, which is in NVIDIA's CUDA Toolkit"  # and not in torch's wheels
    return f"since {reason}", npp if re.search(r"\blibnpp", reason) else ""
