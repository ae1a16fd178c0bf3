"""Trains the models of the heavy suite: `python unchanged_models.py torch|sklearn|boosting|litert FOLDER`.

Each is `NAME.EXT` with `NAME.npz`: a hundred rows that it was not trained on, with labels. Seeds, sizes and data
differ from model to model.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn import datasets

LOADERS = (datasets.load_breast_cancer, datasets.load_wine, datasets.load_digits, datasets.load_iris)


def split(load, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rows, labels = load(return_X_y=True)
    rows = rows.astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(rows))
    kept = min(100, len(rows) // 3)
    return rows[order[kept:]], labels[order[kept:]], rows[order[:kept]], labels[order[:kept]]


def sklearn_models(folder: Path) -> None:
    import skops.io
    from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    kinds = [
        lambda seed: make_pipeline(StandardScaler(), linear_model.LogisticRegression(C=1 + seed)),
        lambda seed: tree.DecisionTreeClassifier(max_depth=3 + seed % 4, random_state=seed),
        lambda seed: ensemble.RandomForestClassifier(10 + seed, random_state=seed),
        lambda seed: ensemble.GradientBoostingClassifier(n_estimators=10, random_state=seed),
        lambda seed: ensemble.ExtraTreesClassifier(15, random_state=seed),
        lambda seed: make_pipeline(MinMaxScaler(), svm.SVC(random_state=seed)),
        lambda seed: make_pipeline(
            StandardScaler(), neural_network.MLPClassifier((8 + seed,), max_iter=80, random_state=seed)
        ),
        lambda seed: ensemble.HistGradientBoostingClassifier(max_iter=10, random_state=seed),
        lambda _: make_pipeline(StandardScaler(), naive_bayes.GaussianNB()),
        lambda seed: make_pipeline(StandardScaler(), neighbors.KNeighborsClassifier(3 + seed % 5)),
    ]
    for number in range(80):
        seed, kind = divmod(number, len(kinds))
        rows, labels, kept, kept_labels = split(LOADERS[number % 7 % 4], number)
        skops.io.dump(kinds[kind](seed).fit(rows, labels), folder / f"sklearn-{number}.skops")
        np.savez(folder / f"sklearn-{number}.npz", x=kept, labels=kept_labels)


def boosting_models(folder: Path) -> None:
    import lightgbm
    import xgboost

    for number in range(25):
        rows, labels, kept, kept_labels = split(LOADERS[number % 4], number)
        depth, trees = 2 + number % 4, 5 + number
        classes = len(np.unique(labels))
        found = xgboost.XGBClassifier(n_estimators=trees, max_depth=depth, random_state=number)
        found.fit(rows, labels).save_model(folder / f"xgboost-{number}.{('json', 'ubj')[number % 2]}")
        objective = "binary" if classes == 2 else "multiclass"
        found = lightgbm.LGBMClassifier(
            n_estimators=trees, max_depth=depth, objective=objective, random_state=number, verbose=-1
        )
        found.fit(rows, labels).booster_.save_model(folder / f"lightgbm-{number}.txt")
        for kind in ("xgboost", "lightgbm"):
            np.savez(folder / f"{kind}-{number}.npz", x=kept, labels=kept_labels)


def torch_models(folder: Path) -> None:
    import torch
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.gru, self.head = nn.GRU(8, width, batch_first=True), nn.Linear(width, 10)

        def forward(self, x):
            return self.head(self.gru(x.reshape(-1, 8, 8))[1][-1])

    kinds = [
        lambda w: nn.Sequential(nn.Linear(64, w), nn.ReLU(), nn.Linear(w, 10)),
        lambda w: nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, w // 2, 3), nn.BatchNorm2d(w // 2), nn.GELU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(2 * w, 10), nn.Softmax(1),
        ),
        lambda w: nn.Sequential(
            nn.Unflatten(1, (8, 8)), nn.TransformerEncoderLayer(8, 2, w, batch_first=True), nn.Flatten(),
            nn.Linear(64, 10),
        ),
        Recurrent,
    ]  # fmt: skip
    batch = torch.export.Dim("batch")
    for number in range(40):
        torch.manual_seed(number)
        rows, labels, kept, kept_labels = split(datasets.load_digits, number)
        rows, kept = rows / 16, kept / 16
        model = kinds[number % len(kinds)](16 + 2 * (number // 2))
        optimizer = torch.optim.Adam(model.parameters(), 5e-3)
        x, y = torch.from_numpy(rows), torch.from_numpy(labels)
        for _ in range(3):
            for part in torch.randperm(len(x)).split(128):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x[part]), y[part]).backward()
                optimizer.step()
        program = torch.export.export(model.eval(), (x[:2],), dynamic_shapes=({0: batch},), strict=False)
        torch.export.save(program, folder / f"torch-{number}.pt2")
        np.savez(folder / f"torch-{number}.npz", x=kept, labels=kept_labels)


def litert_models(folder: Path) -> None:
    import keras
    import tensorflow as tf
    from keras import layers

    for number in range(10):
        keras.utils.set_random_seed(number)
        rows, labels, kept, kept_labels = split(datasets.load_digits, number)
        hidden = [
            layers.Reshape((8, 8, 1)),
            layers.Conv2D(4 + number, 3, activation="relu"),
            layers.Flatten(),
        ]
        model = keras.Sequential(
            [layers.Input((64,), name="x"), *hidden, layers.Dense(10, activation="softmax", name="digit")]
        )
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(rows / 16, labels, epochs=2, verbose=0)
        saved = folder / f"saved-{number}"
        model.export(saved, verbose=False)
        converted = tf.lite.TFLiteConverter.from_saved_model(str(saved)).convert()
        (folder / f"litert-{number}.tflite").write_bytes(converted)
        np.savez(folder / f"litert-{number}.npz", x=kept / 16, labels=kept_labels)


if __name__ == "__main__":
    makers = {
        "torch": torch_models,
        "sklearn": sklearn_models,
        "boosting": boosting_models,
        "litert": litert_models,
    }
    makers[sys.argv[1]](Path(sys.argv[2]))
