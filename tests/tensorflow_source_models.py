"""Builds the SavedModels and Keras 2 files that tests convert: `python tensorflow_source_models.py FOLDER`.

One process builds them all, because TensorFlow takes seconds to start. `tensorflow_models.py` has hostile ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf_keras

VOCABULARY = 20


def cnn(k) -> tf_keras.Model:
    return k.Sequential(
        [
            k.layers.Input((12, 12, 3), name="image"),
            k.layers.Conv2D(8, 3, activation="relu"),
            k.layers.MaxPooling2D(),
            k.layers.BatchNormalization(),
            k.layers.SeparableConv2D(6, 3, padding="same", activation="elu"),
            k.layers.Flatten(),
            k.layers.Dense(5, activation="softmax", name="probabilities"),
        ]
    )


def lstm(k) -> tf_keras.Model:
    tokens = k.layers.Input((None,), dtype="int32", name="tokens")
    hidden = k.layers.LSTM(6)(k.layers.Embedding(VOCABULARY, 4)(tokens))
    return k.Model(tokens, k.layers.Dense(3, activation="softmax", name="label")(hidden))


def gru_tagger(k) -> tf_keras.Model:
    """An answer for each position: the output's second axis follows the input's."""
    tokens = k.layers.Input((None,), dtype="int32", name="tokens")
    both = k.layers.Bidirectional(k.layers.GRU(5, return_sequences=True))
    return k.Model(tokens, k.layers.Dense(4, name="tags")(both(k.layers.Embedding(VOCABULARY, 4)(tokens))))


def transformer(k) -> tf_keras.Model:
    tokens = k.layers.Input((None,), dtype="int32", name="tokens")
    hidden = k.layers.Embedding(VOCABULARY, 8)(tokens)
    seen = k.layers.MultiHeadAttention(2, 4)(hidden, hidden)
    hidden = k.layers.LayerNormalization()(k.layers.Add()([hidden, seen]))
    wide = k.layers.Dense(16, activation="gelu")(hidden)
    hidden = k.layers.LayerNormalization()(k.layers.Add()([hidden, k.layers.Dense(8)(wide)]))
    return k.Model(tokens, k.layers.Dense(3, name="label")(k.layers.GlobalAveragePooling1D()(hidden)))


def two_in_two_out(k) -> tf_keras.Model:
    """Both outputs have one shape and no name is in order, so that a swap shows."""
    right, left = k.layers.Input((4,), name="right"), k.layers.Input((4,), name="left")
    hidden = k.layers.Dense(8, activation="tanh")(k.layers.Concatenate()([right, left]))
    outputs = [k.layers.Dense(3, name="second")(hidden), k.layers.Dense(3, name="first")(hidden)]
    return k.Model([right, left], outputs)


def odd_names(k) -> tf_keras.Model:
    """Names that no Python argument can have."""
    one, other = k.layers.Input((2,), name="self"), k.layers.Input((2,), name="2nd-input")
    return k.Model([one, other], k.layers.Subtract(name="a-b")([one, other]))


BOTH = (cnn, lstm, gru_tagger, transformer, two_in_two_out)
"""Built of Keras 3 (`.keras` and SavedModel) and of Keras 2 (`.h5`)."""


def hard_dense(k) -> tf_keras.Model:
    return k.Sequential(
        [
            k.layers.Input((6,), name="row"),
            k.layers.Dense(8, activation="hard_sigmoid", name="hidden"),
            k.layers.Activation("hard_sigmoid", name="squashed"),
            k.layers.Dense(2, name="label"),
        ]
    )


def hard_loops(k) -> tf_keras.Model:
    steps = k.layers.Input((None, 3), name="steps")
    hidden = k.layers.LSTM(5, recurrent_activation="hard_sigmoid", return_sequences=True)(steps)
    gru = k.layers.GRU(4, recurrent_activation="hard_sigmoid", return_sequences=True)
    cell = k.layers.LSTMCell(3, recurrent_activation="hard_sigmoid")
    hidden = k.layers.RNN(cell)(k.layers.Bidirectional(gru)(hidden))
    return k.Model(steps, k.layers.Dense(2, name="label")(hidden))


def frames(k) -> tf_keras.Model:
    """ConvLSTM2D's own default is `hard_sigmoid` in Keras 2."""
    film = k.layers.Input((3, 6, 6, 2), name="film")
    return k.Model(film, k.layers.Dense(2, name="label")(k.layers.Flatten()(k.layers.ConvLSTM2D(3, 3)(film))))


def old_gru(k) -> tf_keras.Model:
    """As standalone Keras 2 had it: one bias."""
    steps = k.layers.Input((None, 3), name="steps")
    return k.Model(steps, k.layers.GRU(4, reset_after=False, name="label")(steps))


def half_precision(k) -> tf_keras.Model:
    row = k.layers.Input((6,), name="row")
    hidden = k.layers.Dense(4, activation="hard_sigmoid", dtype="mixed_float16")(row)
    return k.Model(row, k.layers.Dense(2, name="label")(hidden))


def image_layers(k) -> tf_keras.Model:
    """Layers whose arguments were renamed or whose defaults moved."""
    layers = k.layers
    image = layers.Input((8, 8, 3), name="image")
    hidden = layers.Resizing(10, 10)(layers.Rescaling(1.5, 0.1)(image))
    hidden = layers.UpSampling2D(2, interpolation="bilinear")(hidden)
    hidden = layers.LeakyReLU()(layers.DepthwiseConv2D(3, depth_multiplier=2, activation="swish")(hidden))
    hidden = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="selu")(hidden)
    hidden = layers.PReLU(shared_axes=[1, 2])(hidden)
    hidden = layers.ZeroPadding2D(1)(layers.Cropping2D(2)(hidden))
    hidden = layers.AveragePooling2D(padding="same")(hidden)
    hidden = layers.ELU(0.7)(layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.05)(hidden))
    hidden = layers.Conv2D(4, 3, dilation_rate=2, activation="softsign")(hidden)
    hidden = layers.SpatialDropout2D(0.2)(layers.GaussianNoise(0.2)(hidden))
    hidden = layers.Permute((2, 1, 3))(layers.Dropout(0.3)(hidden))
    hidden = layers.TimeDistributed(layers.Dense(4, activation="softplus"))(hidden)
    pooled = layers.Maximum()([layers.GlobalMaxPooling2D()(hidden), layers.GlobalAveragePooling2D()(hidden)])
    return k.Model(image, layers.Softmax(name="label")(pooled))


def sequence_layers(k) -> tf_keras.Model:
    layers = k.layers
    tokens = layers.Input((6,), dtype="int32", name="tokens")
    hidden = layers.Embedding(VOCABULARY, 4, mask_zero=True)(tokens)
    hidden = layers.LSTM(4, return_sequences=True)(hidden)
    hidden = layers.SimpleRNN(4, return_sequences=True, activation="relu")(hidden)
    hidden = layers.Attention(use_scale=True)([hidden, hidden])
    hidden = layers.Conv1D(4, 3, padding="causal", activation="exponential")(hidden)
    hidden = layers.MaxPooling1D(2)(layers.UpSampling1D(2)(layers.BatchNormalization(axis=1)(hidden)))
    dotted = layers.Dot(axes=2, normalize=True)([hidden, hidden])
    repeated = layers.RepeatVector(2)(layers.Flatten()(layers.Reshape((-1, 3))(dotted)))
    return k.Model(tokens, layers.GlobalMaxPooling1D(name="label")(repeated))


def more_sequence_layers(k) -> tf_keras.Model:
    layers = k.layers
    steps = layers.Input((8, 4), name="steps")
    hidden = layers.Masking(0.0)(steps)
    hidden = layers.RNN(layers.GRUCell(4, recurrent_activation="hard_sigmoid"), return_sequences=True)(hidden)
    hidden = layers.RNN(layers.SimpleRNNCell(4), return_sequences=True, go_backwards=True)(hidden)
    hidden = layers.Add()([layers.LayerNormalization()(hidden), hidden])
    wide = layers.Cropping1D(1)(layers.ZeroPadding1D(2)(hidden))
    wide = layers.SpatialDropout1D(0.2)(layers.GaussianDropout(0.2)(wide))
    wide = layers.AveragePooling1D(2, padding="same")(wide)
    one, other = layers.GlobalAveragePooling1D()(wide), layers.GlobalMaxPooling1D()(wide)
    mixed = [layers.Multiply()([one, other]), layers.Minimum()([one, other]), layers.Average()([one, other])]
    return k.Model(steps, layers.Subtract(name="label")([layers.Maximum()(mixed), one]))


def nested(k) -> tf_keras.Model:
    """A model within a model, called twice."""
    inner = k.Sequential([k.layers.Input((4,)), k.layers.Dense(4, activation="hard_sigmoid")], name="inner")
    left, right = k.layers.Input((4,), name="left"), k.layers.Input((4,), name="right")
    both = k.layers.Subtract()([inner(left), inner(right)])
    return k.Model([left, right], k.layers.Dense(2, name="label")(both))


def operators(k) -> tf_keras.Model:
    """TensorFlow's functions between layers, which Keras 3 cannot read."""
    row = k.layers.Input((4,), name="row")
    hidden = k.layers.Dense(4)(row)
    return k.Model(row, k.layers.Dense(2, name="label")(tf.nn.relu(hidden[:, 1:] * 2.0) + 1.0))


def locally(k) -> tf_keras.Model:
    """A layer that Keras 3 has not."""
    row = k.layers.Input((6, 2), name="row")
    return k.Model(row, k.layers.Flatten(name="label")(k.layers.LocallyConnected1D(3, 2)(row)))


READ_BY_BOTH = (
    *(cnn, lstm, gru_tagger, two_in_two_out, odd_names, hard_dense, hard_loops, frames, old_gru),
    *(half_precision, image_layers, sequence_layers, more_sequence_layers),
)
"""What Keras 3 can read of Keras 2's."""
KERAS_2_ONLY = (transformer, nested, operators, locally)


def save_keras_2(folder: Path) -> None:
    for seed, build in enumerate((*READ_BY_BOTH, *KERAS_2_ONLY)):
        tf_keras.utils.set_random_seed(seed)
        widened(build(tf_keras)).save(folder / f"{build.__name__}.h5")
    compiled = cnn(tf_keras)
    compiled.compile("adam", "mse")
    compiled.save(folder / "compiled.h5")
    compiled.save_weights(folder / "weights_only.h5")
    layers = tf_keras.layers
    payload = layers.Lambda(lambda x: __import__("pathlib").Path("marker").touch() or x * 2, name="payload")
    tf_keras.Sequential([layers.Input((4,), name="row"), payload, layers.Dense(2)]).save(folder / "lambda.h5")
    memory = layers.LSTM(3, stateful=True, name="memory")
    tf_keras.Sequential([layers.Input(batch_shape=(2, 3, 4)), memory]).save(folder / "stateful.h5")
    keras.utils.set_random_seed(1)
    hard_dense(keras).save(folder / "of_keras_3.h5")


def widened(model: tf_keras.Model) -> tf_keras.Model:
    """With weights so large that activations leave the part where all sigmoids look alike."""
    model.set_weights(
        [weight * 2 + 0.1 if weight.ndim > 1 else weight + 0.2 for weight in model.get_weights()]
    )
    return model


class Typed(tf.Module):
    """Element types that a tensor may have, in and out, and two signatures."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = tf.Variable(tf.fill([3], tf.constant(1.5, tf.float64)), name="scale")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float64, "wide"),
            tf.TensorSpec([None], tf.int64, "count"),
            tf.TensorSpec([None, None], tf.bool, "mask"),
            tf.TensorSpec([None, 2], tf.float16, "half"),
        ]
    )
    def types(self, wide, count, mask, half):
        return {"scaled": wide * self.scale, "next": count + 1, "others": ~mask, "twice": half * 2}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def doubled(self, x):
        return {"y": x * 2}


class Vocabulary(tf.Module):
    """Words in, numbers and words out, by a table of a file of the model's own."""

    def __init__(self, words: Path) -> None:
        super().__init__()
        self.words = tf.saved_model.Asset(str(words))
        line, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        start = tf.lookup.TextFileInitializer(self.words.asset_path, tf.string, line, tf.int64, number)
        self.table = tf.lookup.StaticHashTable(start, -1)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.string, "text")])
    def serve(self, text):
        return {"index": self.table.lookup(text), "same": tf.identity(text)}


OFFSET = tf.range(3, dtype=tf.float32)


class Captured(tf.Module):
    """Adds a constant from outside of the function; `erfc` is an operator that ONNX has not."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable(tf.random.stateless_normal([4, 3], (1, 2)), name="weight")

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def serve(self, x):
        found = x @ self.weight + OFFSET
        return {"y": tf.where(found > 0, found, tf.math.erfc(found))}


class Writing(tf.Module):
    """Writes a file when it is asked."""

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def serve(self, x):
        tf.io.write_file("/tmp/shipway-test-written-by-a-model", "called")
        return {"y": x * 2}


def save_version_1(folder: Path) -> None:
    """As TensorFlow 1 wrote it: a reference variable, control inputs, a table and its initializer."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        row = v1.placeholder(tf.float32, [None, 4], "row")
        weight = v1.get_variable("weight", [4, 2], use_resource=False)
        with tf.control_dependencies([v1.assert_rank(row, 2)]):
            scores = tf.identity(tf.nn.relu(row @ weight), "scores")
        v1.add_to_collection("weights", weight)
        keys, values = tf.constant([0, 1], tf.int64), tf.constant(["cat", "dog"])
        table = v1.lookup.StaticHashTable(v1.lookup.KeyValueTensorInitializer(keys, values), "other")
        label = tf.argmax(scores, 1, name="label")
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        outputs = {"scores": scores, "label": label, "animal": table.lookup(label)}
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={"predict": v1.saved_model.predict_signature_def({"row": row}, outputs)},
            main_op=v1.tables_initializer(),
        )
        builder.save()


def save_saved_models(folder: Path) -> None:
    for seed, build in enumerate((*BOTH, odd_names)):
        keras.utils.set_random_seed(seed)
        model = build(keras)
        model.save(folder / f"{build.__name__}.keras")
        if build is not odd_names:  # Keras itself cannot
            model.export(folder / build.__name__, verbose=False)
    words = folder / "words.txt"
    words.write_text("apple\npear\nplum\n")
    typed = Typed()
    signatures = {"types": typed.types, "doubled": typed.doubled}
    tf.saved_model.save(typed, str(folder / "typed"), signatures=signatures)
    for name, module in (
        ("captured", Captured()),
        ("vocabulary", Vocabulary(words)),
        ("writing", Writing()),
    ):
        tf.saved_model.save(module, str(folder / name), signatures=module.serve)
    save_version_1(folder / "version_1")


def save_trained(folder: Path) -> None:
    """Digits, read by a Keras 2 model that learned them: `digits.h5`, the SavedModel `digits`, `digits.npz`."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images, labels = (found.images[..., None] / 16).astype(np.float32), found.target
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [
            layers.Input((8, 8, 1), name="image"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(32, activation="hard_sigmoid"),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images[:1400], labels[:1400], epochs=8, batch_size=32, verbose=0)
    model.save(folder / "digits.h5")
    model.export(folder / "digits")
    np.savez(folder / "digits.npz", image=images[1400:], labels=labels[1400:])


if __name__ == "__main__":
    target = Path(sys.argv[1])
    save_saved_models(target)
    save_keras_2(target)
    save_trained(target)
