"""tinytorch.data: data sets and batches, under the names of torch.utils.data and torchvision.transforms.

This file is given.
"""

from tinytorch import resolve

HOMES = {
    "dataloader": (
        "Compose",
        "DataLoader",
        "Dataset",
        "Normalize",
        "RandomCrop",
        "RandomHorizontalFlip",
        "Subset",
        "TensorDataset",
        "random_split",
    ),
}
MODULE_OF = {name: module for module, names in HOMES.items() for name in names}


def __getattr__(name):
    value = resolve("tinytorch.data", name, MODULE_OF)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *MODULE_OF})
