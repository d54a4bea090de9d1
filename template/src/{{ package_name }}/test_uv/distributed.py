"""Whether processes that torchrun started reach each other and add up numbers."""

import os
import sys
import threading
from importlib import import_module

from .builds import Build, family
from .findings import Finding, one_line

SECONDS = 60  # after which it ends, whatever happens
Report = dict[str, object]


def add_up(build: Build, require: str | None) -> tuple[Report, list[Finding]]:
    """Add up a number of each process: by nccl on GPUs, else by gloo."""
    try:
        names = "RANK", "WORLD_SIZE", "LOCAL_RANK"
        rank, size, local_rank = (int(os.environ[name]) for name in names)
    except (KeyError, ValueError):
        what, why = "--distributed is for torchrun", "which did not start this"
        command = f"uv run torchrun --nproc-per-node 2 -m {__package__} --distributed"
        return {}, [Finding(what, why, f"run `{command}`")]
    process = f"process {rank} of {size}"
    unreached = f"{process} does not reach the others"

    def give_up() -> None:  # what torch waits for can last longer than its timeout
        finding = Finding(unreached, f"since no answer came within {SECONDS} s")
        print(f"test-uv: {finding}", file=sys.stderr, flush=True)
        os._exit(1)

    timer = threading.Timer(SECONDS, give_up)
    timer.start()
    try:
        torch, dist = build.torch, import_module("torch.distributed")
        gpus = torch.cuda.device_count() if dist.is_nccl_available() else 0
        gpus = 0 if require == "cpu" else gpus
        if require not in (None, "cpu", family(build.accelerator) if gpus else "cpu"):
            why = f"but {process} has no GPU of that kind for nccl"
            return {}, [Finding(f"{require} is required", why)]
        if gpus:
            torch.cuda.set_device(local_rank)
        backend = "nccl" if gpus else "gloo"
        dist.init_process_group(backend)
        number = torch.tensor([rank + 1.0]).to("cuda" if gpus else "cpu")
        dist.all_reduce(number)
        found, expected = number.tolist()[0], size * (size + 1) / 2
        dist.destroy_process_group()
    except Exception as error:  # noqa: BLE001 (of stores, sockets and backends)
        return {}, [Finding(unreached, f"since {one_line(error)}")]
    finally:
        timer.cancel()
    if found != expected:
        why = f"since it adds up to {found}, not {expected}"
        return {}, [Finding(f"{backend} is wrong in {process}", why)]
    verdict = f"ok: {size} processes add up by {backend}"
    report = {"processes": size, "backend": backend, "all_reduce": found}
    return {**report, "verdict": verdict} if rank == 0 else {}, []
