from typing import Literal

ReadinessDataset = Literal["other", "pagila", "sample"]

READINESS_DATASET_VALUES: set[ReadinessDataset] = {
    "other",
    "pagila",
    "sample",
}


def check_readiness_dataset(value: str) -> ReadinessDataset:
    if value in READINESS_DATASET_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {READINESS_DATASET_VALUES!r}"
    )
