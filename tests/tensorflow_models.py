"""Builds the small TensorFlow, LiteRT and HDF5 files of the tests: `python tensorflow_models.py FOLDER`.

One process builds them all, because TensorFlow takes seconds to start. Some of them are hostile: nothing here
calls what they hold.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow import keras
from tensorflow.core.protobuf import saved_model_pb2

layers = keras.layers
WRITTEN = "/tmp/shipway-test-written-by-a-model"
TEXT = tf.TensorSpec([None], tf.string, "text")
ROW = tf.TensorSpec([None, 4], tf.float32, "x")


def convolutional() -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            layers.Input((8, 8, 3), name="image"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(5, activation="softmax"),
        ]
    )


def recurrent() -> keras.Model:
    tokens = layers.Input((None,), dtype="int32", name="tokens")
    hidden = layers.LSTM(4)(layers.Embedding(9, 3)(tokens))
    return keras.Model(tokens, layers.Dense(2, name="label")(hidden))


class Typed(tf.Module):
    """Every element type that a tensor may have, in and out, and a variable."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = tf.Variable(tf.ones([1000]), name="scale")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float64, "wide"),
            tf.TensorSpec([None], tf.int64, "count"),
            tf.TensorSpec([None, None], tf.bool, "mask"),
            tf.TensorSpec([None, 2], tf.float16, "half"),
            tf.TensorSpec([], tf.float32, "scalar"),
            tf.TensorSpec([None, None, 7], tf.uint8, "pixels"),
        ]
    )
    def types(self, wide, count, mask, half, scalar, pixels):
        return {
            "wide": wide * 2,
            "count": count + 1,
            "mask": ~mask,
            "half": half,
            "scalar": scalar * self.scale[0],
            "pixels": pixels,
        }

    @tf.function(input_signature=[ROW])
    def double(self, x):
        return {"y": x * 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.complex64, "z")])
    def spectrum(self, z):
        return {"y": z}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "any")])
    def ranks(self, any):  # noqa: A002
        return {"y": any}


class Vocabulary(tf.Module):
    """Looks words up in a table that is filled from a file of the model's own."""

    def __init__(self, words: Path, *, asset: bool) -> None:
        super().__init__()
        self.words = tf.saved_model.Asset(str(words)) if asset else None
        file = self.words.asset_path if asset else str(words)
        start = tf.lookup.TextFileInitializer(
            file, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(start, -1)

    @tf.function(input_signature=[TEXT])
    def serve(self, text):
        return {"index": self.table.lookup(text)}


class Counting(tf.Module):
    """A table that lives in the checkpoint, so that its restoring is a function of the model's."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.table.insert(tf.constant(["a"]), tf.constant([1], tf.int64))

    @tf.function(input_signature=[TEXT])
    def serve(self, text):
        return {"index": self.table.lookup(text)}


class Acting(tf.Module):
    """Serves one row, and does something else on the way."""

    def __init__(self, act: Callable[[tf.Tensor], tf.Tensor]) -> None:
        super().__init__()
        self.act = act

    @tf.function(input_signature=[ROW])
    def serve(self, x):
        inner = tf.function(lambda y: tf.cond(tf.reduce_sum(y) > 0, lambda: self.act(y), lambda: y * 3))
        return {"y": inner(x)}


class Hook(tf.saved_model.experimental.TrackableResource):
    """A resource of the user's own: TensorFlow calls both functions whenever it loads the model."""

    def _create_resource(self):
        return tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

    def _initialize(self):
        tf.io.write_file(WRITTEN, "loaded")


class Started(tf.Module):
    """Serves a plain product; loading it is enough to write a file."""

    def __init__(self) -> None:
        super().__init__()
        self.hook = Hook()

    @tf.function(input_signature=[ROW])
    def serve(self, x):
        return {"y": x * 2}


def writes(x: tf.Tensor) -> tf.Tensor:
    tf.io.write_file(WRITTEN, "called")
    return x


def reads(x: tf.Tensor) -> tf.Tensor:
    return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)


def calls_python(x: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tf.numpy_function(lambda y: y, [x], tf.float32), [None, 4])


def prints_to_a_file(x: tf.Tensor) -> tf.Tensor:
    tf.print("x", x, output_stream="file://" + WRITTEN)
    return x


def prints(x: tf.Tensor) -> tf.Tensor:
    tf.print("x", x)
    return x


def lists_files(x: tf.Tensor) -> tf.Tensor:
    return x + tf.cast(tf.size(tf.io.matching_files("/etc/*")), tf.float32)


def reads_records(x: tf.Tensor) -> tf.Tensor:
    data = tf.data.TextLineDataset("/etc/passwd").map(tf.strings.length)
    return x + tf.cast(data.reduce(0, lambda a, b: a + b), tf.float32)


ACTS = (writes, reads, calls_python, prints_to_a_file, prints, lists_files, reads_records)


def save_version_1(folder: Path, words: Path, *, own_words: bool) -> None:
    """As TensorFlow 1 wrote it: no object graph, signatures over graph nodes, a saver, an asset, an init op."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        row = v1.placeholder(tf.float32, [None, 4], "row")
        serialized = v1.placeholder(tf.string, [None], "examples")
        weight = v1.get_variable("weight", [4, 2], use_resource=False)
        scores = tf.identity(row @ weight, "scores")
        parsed = v1.io.parse_example(serialized, {"x": v1.io.FixedLenFeature([4], tf.float32)})["x"]
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, file := tf.constant(str(words), name="words"))
        table = v1.lookup.StaticVocabularyTable(
            v1.lookup.TextFileInitializer(
                file,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            1,
        )
        text = v1.placeholder(tf.string, [None], "text")
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        utils = v1.saved_model
        builder = utils.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            [utils.tag_constants.SERVING],
            signature_def_map={
                "predict": utils.predict_signature_def({"row": row}, {"scores": scores}),
                "classify": utils.classification_signature_def(serialized, None, parsed @ weight),
                "lookup": utils.predict_signature_def({"text": text}, {"index": table.lookup(text)}),
            },
            main_op=v1.tables_initializer(),
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS) if own_words else None,
        )
        builder.add_meta_graph(["train"])
        builder.save()


def save_version_1_writing_at_start(folder: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        row = v1.placeholder(tf.float32, [None, 4], "row")
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                "serving_default": v1.saved_model.predict_signature_def({"row": row}, {"double": row * 2})
            },
            main_op=tf.group(v1.write_file(WRITTEN, "loaded")),
        )
        builder.save()


def save_saved_models(folder: Path) -> None:
    words = folder / "words.txt"
    words.write_text("apple\npear\n")
    convolutional().export(folder / "convolutional", verbose=False)
    recurrent().export(folder / "recurrent", verbose=False)
    typed = Typed()
    tf.saved_model.save(
        typed,
        str(folder / "typed"),
        signatures={
            "types": typed.types, "double": typed.double, "spectrum": typed.spectrum, "ranks": typed.ranks
        },
    )  # fmt: skip
    for name, model in (
        ("vocabulary", Vocabulary(words, asset=True)),
        ("counting", Counting()),
        ("starts_by_writing", Started()),
        *((act.__name__, Acting(act)) for act in ACTS),
    ):
        tf.saved_model.save(model, str(folder / name), signatures=model.serve)
    save_version_1(folder / "version_1", words, own_words=True)
    save_version_1(folder / "version_1_foreign_words", words, own_words=False)
    save_version_1_writing_at_start(folder / "version_1_writes_at_start")
    change(folder, "writes", "writes_behind_a_plain_signature", show_the_input_as_output)
    change(folder, "vocabulary", "vocabulary_elsewhere", take_the_words_from_elsewhere)
    change(folder, "version_1_writes_at_start", "version_1_writes_at_restore", write_at_restore)


def change(
    folder: Path, source: str, target: str, edit: Callable[[saved_model_pb2.SavedModel], None]
) -> None:
    shutil.copytree(folder / source, folder / target)
    path = folder / target / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    edit(model)
    path.write_bytes(model.SerializeToString())


def show_the_input_as_output(model: saved_model_pb2.SavedModel) -> None:
    """The objects, which `tf.saved_model.load` follows, still name the function that writes."""
    for signature in model.meta_graphs[0].signature_def.values():
        for info in signature.outputs.values():
            info.name = "serving_default_x:0"


def take_the_words_from_elsewhere(model: saved_model_pb2.SavedModel) -> None:
    meta_graph = model.meta_graphs[0]
    name = meta_graph.asset_file_def[0].tensor_info.name.partition(":")[0]
    del meta_graph.asset_file_def[:]
    for node in meta_graph.graph_def.node:
        if node.name == name:
            node.Clear()
            node.name, node.op = name, "Const"
            node.attr["dtype"].type = tf.string.as_datatype_enum
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("/etc/passwd"))
    for item in meta_graph.object_graph_def.nodes:
        if item.HasField("asset"):
            item.constant.operation = name


def write_at_restore(model: saved_model_pb2.SavedModel) -> None:
    meta_graph = model.meta_graphs[0]
    meta_graph.collection_def.clear()
    meta_graph.saver_def.restore_op_name = "WriteFile"


def save_litert(folder: Path) -> None:
    generator = np.random.default_rng(3)

    def calibration():
        for _ in range(8):
            yield [generator.random((1, 8, 8, 3), np.float32)]

    source = str(folder / "convolutional")
    default = [tf.lite.Optimize.DEFAULT]
    for name, changed in {
        "fp32": {},
        "fp16": {
            "optimizations": default,
            "target_spec": tf.lite.TargetSpec(supported_types=[tf.float16]),
        },
        "dynamic": {"optimizations": default},
        "int8": {
            "optimizations": default,
            "representative_dataset": calibration,
            "target_spec": tf.lite.TargetSpec([tf.lite.OpsSet.TFLITE_BUILTINS_INT8]),
            "inference_input_type": tf.int8,
            "inference_output_type": tf.int8,
        },
        "int8_float_io": {"optimizations": default, "representative_dataset": calibration},
    }.items():
        convert(folder / f"{name}.tflite", source, changed)
    flex = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    recurrence = {
        "target_spec": tf.lite.TargetSpec(flex),
        "_experimental_lower_tensor_list_ops": False,
    }
    convert(folder / "flex.tflite", str(folder / "recurrent"), recurrence)
    convert(folder / "typed.tflite", str(folder / "typed"), {}, signature_keys=["double"])


def convert(path: Path, source: str, settings: dict, **options) -> None:
    converter = tf.lite.TFLiteConverter.from_saved_model(source, **options)
    for name, value in settings.items():
        setattr(converter, name, value)
    path.write_bytes(converter.convert())


def save_hdf5(folder: Path) -> None:
    keras_2 = tf_keras.layers
    plain = tf_keras.Sequential(
        [
            keras_2.Input((6,), name="row"),
            keras_2.Dense(4, activation="hard_sigmoid", name="hidden"),
            keras_2.Dense(2, name="label"),
        ]
    )
    plain.compile("adam", "mse")
    plain.fit(np.zeros((4, 6)), np.zeros((4, 2)), verbose=0)
    plain.save(folder / "keras_2.h5")
    plain.save_weights(folder / "keras_2_weights.h5")
    tf_keras.Sequential(
        [keras_2.Input((6,)), keras_2.Lambda(lambda x: x * 2, name="payload"), keras_2.Dense(2)]
    ).save(folder / "lambda.h5")
    three = convolutional()
    three.save(folder / "keras_3.h5")
    three.save_weights(folder / "keras_3.weights.h5")


def count_operators(folder: Path) -> None:
    """What TensorFlow itself reads, for a comparison with our own reading."""
    counts = {}
    for path in folder.glob("*/saved_model.pb"):
        graph = saved_model_pb2.SavedModel.FromString(path.read_bytes()).meta_graphs[0].graph_def
        bodies = [graph.node, *(function.node_def for function in graph.library.function)]
        counts[path.parent.name] = dict(Counter(node.op for body in bodies for node in body))
    (folder / "operators.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    save_saved_models(target)
    count_operators(target)
    save_litert(target)
    save_hdf5(target)
