"""What computes: the GPU where there is one, and the memory that models are loaded into."""

from backend.memory import measure_memory


def choose_device() -> str:
    """cuda or mps where there is such a GPU, else cpu."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def describe_device(device: str) -> str:
    """A device in words: what computes, and how precisely images are encoded there."""
    if device == "cuda":
        import torch

        return f"{torch.cuda.get_device_name()}, bfloat16"
    return {"mps": "Apple GPU, float32", "cpu": "CPU, float32"}[device]


def measure_model_memory() -> int:
    """The bytes of the memory that models are loaded into: the GPU's where there is one of its own, else the process's."""
    if choose_device() == "cuda":
        import torch

        return torch.cuda.mem_get_info()[1]
    return measure_memory()
