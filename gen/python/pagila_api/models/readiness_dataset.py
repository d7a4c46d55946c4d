from typing import Literal, cast

ReadinessDataset = Literal["other", "pagila", "sample"]

READINESS_DATASET_VALUES: set[ReadinessDataset] = {
    "other",
    "pagila",
    "sample",
}


def check_readiness_dataset(value: str) -> ReadinessDataset:
    return cast(ReadinessDataset, value)
