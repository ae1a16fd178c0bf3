"""Saves small models with the real libraries: `python saved_models.py torch|tables FOLDER`, for `saved_files`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path


def save_torch(folder: Path) -> None:
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)
            self.words = nn.Embedding(10, 4)
            self.register_buffer("shift", torch.ones(3))

        def forward(self, row: torch.Tensor, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.head(row) + self.shift, "pooled": self.head(self.words(tokens).mean(1))}

    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 3)
            self.small = nn.Linear(4, 2, dtype=torch.bfloat16)
            self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

        def forward(self, x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
            return self.head(self.inner(x)) * scale

    net, half = Net().eval(), Half().eval()
    batch = torch.export.Dim("batch")
    length = torch.export.Dim("length", min=2, max=64)
    example = (torch.randn(2, 4), torch.zeros(2, 5, dtype=torch.int64))
    program = torch.export.export(net, example, dynamic_shapes=({0: batch}, {0: batch, 1: length}))
    torch.export.save(program, folder / "net.pt2")
    torch.export.save(torch.export.export(half, (torch.randn(2, 4),)), folder / "static.pt2")
    torch.jit.script(half).save(folder / "script.pt")
    torch.jit.trace(half, torch.randn(2, 4)).save(folder / "trace.pt")
    torch.save(half.state_dict(), folder / "state.pt")
    torch.save({"model": half.state_dict(), "epoch": 3}, folder / "checkpoint.pt")
    torch.save(half.inner, folder / "module.pt")
    torch.save(half.state_dict(), folder / "old.pt", _use_new_zipfile_serialization=False)
    from safetensors.torch import save_file

    save_file(half.state_dict(), folder / "half.safetensors", metadata={"format": "pt"})


def save_tables(folder: Path) -> None:
    import pickle

    import joblib
    import lightgbm
    import numpy as np
    import pandas as pd
    import skops.io
    import xgboost
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    table = pd.DataFrame({"age": np.arange(20.0), "city": ["a", "b"] * 10})
    answers = np.array(["no", "yes"] * 10)
    columns = ColumnTransformer([("n", StandardScaler(), ["age"]), ("c", OneHotEncoder(), ["city"])])
    pipeline = make_pipeline(columns, LogisticRegression()).fit(table, answers)
    rows = np.random.default_rng(1).random((60, 3))
    forest = RandomForestClassifier(4).fit(rows, np.arange(60) % 3)
    own = make_pipeline(FunctionTransformer(pd.Series.to_frame), LogisticRegression())
    skops.io.dump(pipeline, folder / "pipeline.skops")
    skops.io.dump(forest, folder / "forest.skops")
    skops.io.dump(own, folder / "own.skops")
    joblib.dump(pipeline, folder / "pipeline.joblib")
    joblib.dump(forest, folder / "forest.joblib")
    for kind in ("zlib", "gzip", "bz2", "xz", "lzma"):
        joblib.dump(forest, folder / f"forest-{kind}.joblib", compress=(kind, 3))
    (folder / "pipeline.pkl").write_bytes(pickle.dumps(pipeline))
    named = pd.DataFrame(rows, columns=["a", "b", "c"]).assign(d=pd.Categorical(["x", "y"] * 30))
    boosted = xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(rows, np.arange(60) % 3)
    for ending in ("json", "ubj"):
        boosted.save_model(folder / f"classes.{ending}")
        ranked = xgboost.XGBRegressor(n_estimators=2, enable_categorical=True).fit(named, rows[:, 0])
        ranked.save_model(folder / f"categories.{ending}")
        data = xgboost.DMatrix(rows, rows[:, 0])
        xgboost.train({"booster": "gblinear"}, data, 2).save_model(folder / f"linear.{ending}")
        xgboost.train({"booster": "dart"}, data, 2).save_model(folder / f"dart.{ending}")
    options = {"n_estimators": 3, "min_child_samples": 2, "verbose": -1}
    lightgbm.LGBMClassifier(**options).fit(rows, np.arange(60) % 3).booster_.save_model(
        folder / "classes.txt"
    )
    lightgbm.LGBMRegressor(**options).fit(named, rows[:, 0]).booster_.save_model(folder / "categories.txt")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    {"torch": save_torch, "tables": save_tables}[sys.argv[1]](Path(sys.argv[2]))
