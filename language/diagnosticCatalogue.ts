/**
 * Every diagnostic of the language: its code, what it means, a program that fails and its mend.
 *
 * In: nothing, it is a table. Out: severities for the checker, and texts for `cnnc explain CNN204` and the reference.
 * What holds: a code never changes its meaning; `wrong` gives exactly this code, and `right` is free of it (tests check
 * both). 0xx: the file; 1xx: syntax; 2xx: layers (25x warnings); 3xx: the recipe.
 */
import { entry, model, train, type DiagnosticDescription } from "./diagnosticEntry.ts";
import { layerDiagnostics } from "./layerDiagnostics.ts";

export type { DiagnosticDescription, Severity } from "./diagnosticEntry.ts";

export const diagnosticCatalogue = {
  CNN001: entry(
    "error",
    "not a program",
    "The file is too long (more than a million characters) or holds zero bytes: it is another file by mistake.",
    "model\0",
    model("input 3@32x32", "fc 10"),
  ),
  CNN002: entry(
    "error",
    "no model",
    "A file describes at least one model; an empty file describes nothing.",
    "# nothing yet\n",
    model("input 3@32x32", "fc 10"),
  ),
  CNN003: entry(
    "error",
    "unknown character",
    "The character is no part of the language. Comments, behind `#`, may hold any text.",
    model("input 3@32x32", "conv 6@5×5", "fc 10"),
    model("input 3@32x32", "conv 6@5x5", "fc 10"),
  ),
  CNN004: entry(
    "error",
    "a string is not closed",
    "A string ends with a quotation mark on the line where it began.",
    `${model("input 3@32x32", "fc 10")}use "blocks.cnn\n`,
    model("input 3@32x32", "fc 10"),
  ),
  CNN005: entry(
    "error",
    "brackets are nested too deep",
    "At most 64 brackets may be open at one place.",
    model("input 3@32x32", `fc ${"(".repeat(70)}10${")".repeat(70)}`),
    model("input 3@32x32", "fc (10)"),
  ),
  CNN006: entry(
    "error",
    "more errors than are shown",
    "After a hundred diagnostics the rest is counted, not shown. Mend the first ones and check again.",
    model("input 3@32x32", ...Array.from({ length: 11 }, () => Array.from({ length: 10 }, () => "rleu").join(" -> "))),
    model("input 3@32x32", "repeat 110 { relu }", "fc 10"),
  ),
  CNN007: entry(
    "warning",
    "a comment that is not valid UTF-8",
    "The file holds bytes that are no UTF-8. In a comment they mean nothing; elsewhere they are an error (CNN003).",
    model("input 3@32x32", "fc 10   # Gr\ufffd\ufffde"),
    model("input 3@32x32", "fc 10  # Größe"),
  ),
  CNN101: entry(
    "error",
    "words that do not fit together",
    "The parser cannot make sense of the words at this place; it skips the rest of the layer and goes on with the next.",
    model("input 3@32x32", "conv 6@", "fc 10"),
    model("input 3@32x32", "conv 6@5x5", "fc 10"),
  ),
  CNN102: entry(
    "error",
    "a brace is not closed",
    "Each `{` has its `}`. A new `model` or `train` also ends what is still open.",
    "model Example {\n  input 3@32x32\n  fc 10\n",
    model("input 3@32x32", "fc 10"),
  ),
  CNN103: entry(
    "error",
    "unknown declaration",
    "A file consists of models and at most one recipe: `model Name { … }` and `train { … }`.",
    `${model("input 3@32x32", "fc 10")}\ntrian {\n  data cifar10\n}\n`,
    train("data cifar10"),
  ),
  CNN104: entry(
    "error",
    "not in this version",
    "The word belongs to the language, but this version of the compiler does not know it yet.",
    train("data cifar10", "augment flip"),
    train("data cifar10"),
  ),
  CNN105: entry(
    "error",
    "two of one name",
    "Models are told apart by their names; so are blocks, those of used files included, and the parameters of one of them.",
    model("input 3@32x32", "fc 10") + model("input 3@32x32", "fc 10"),
    model("input 3@32x32", "fc 10"),
  ),
  CNN106: entry(
    "error",
    "a second recipe",
    "A file has at most one `train { … }`, so that the file alone says how its model is trained.",
    `${train("data cifar10")}train {\n  data shapes\n}\n`,
    train("data cifar10"),
  ),
  CNN107: entry(
    "error",
    "a used file that cannot be read",
    "`use` names a file that is there and can be read, in the folder of the file that uses it or below. At most 100 files are used.",
    `use "blocks.cnn"\n\n${model("input 3@32x32", "fc 10")}`,
    model("input 3@32x32", "fc 10"),
  ),
  CNN108: entry(
    "error",
    "a used file outside of the folder",
    "A file uses files of its own folder and of the folders in it, so that a folder can be moved and a program cannot read what it has no business with. Folders are separated by `/`.",
    `use "../blocks.cnn"\n\n${model("input 3@32x32", "fc 10")}`,
    model("input 3@32x32", "fc 10"),
  ),
  CNN109: entry(
    "error",
    "files that use one another in a circle",
    "Of two files that use each other neither can be understood first. Put what both need into a third file.",
    `use "example.cnn"\n\n${model("input 3@32x32", "fc 10")}`,
    model("input 3@32x32", "fc 10"),
  ),
  CNN110: entry(
    "error",
    "a block with the name of a layer",
    "A block is called like a layer, so it needs a name that no layer has.",
    `block conv(width) {\n  bn\n  relu\n}\n\n${model("input 3@32x32", "conv 6@5x5", "fc 10")}`,
    `block conv_bn(width) {\n  conv width@5x5\n  bn\n  relu\n}\n\n${model("input 3@32x32", "conv_bn 6", "fc 10")}`,
  ),
  ...layerDiagnostics,
  CNN301: entry(
    "error",
    "an unknown line of the recipe",
    "There is no such line in `train`. Unknown words are never ignored.",
    train("data cifar10", "epoch 10"),
    train("data cifar10", "epochs 10"),
  ),
  CNN302: entry(
    "error",
    "a recipe without data",
    "A recipe says what to train on.",
    train("epochs 10"),
    train("data cifar10", "epochs 10"),
  ),
  CNN303: entry(
    "error",
    "the input does not fit the data",
    "The data's pictures have one shape, and the models of the file take it.",
    `${model("input 1@28x28", "fc 10")}\ntrain {\n  data cifar10\n}\n`,
    train("data cifar10"),
  ),
  CNN304: entry(
    "error",
    "the last layer does not fit the classes",
    "The last layer gives one number for each class of the data.",
    `${model("input 3@32x32", "fc 84")}\ntrain {\n  data cifar10\n}\n`,
    train("data cifar10"),
  ),
  CNN305: entry(
    "error",
    "normalisation does not fit the channels",
    "`mean` and `std` take one number for all channels, or one for each.",
    train("data cifar10", "normalize mean 0.5, 0.5 std 0.5"),
    train("data cifar10", "normalize mean 0.5, 0.5, 0.5 std 0.5"),
  ),
  CNN306: entry(
    "error",
    "nesterov without momentum",
    "Nesterov's method looks ahead by the momentum; PyTorch refuses it without one, too.",
    train("data cifar10", "optimizer sgd lr 0.1 nesterov on"),
    train("data cifar10", "optimizer sgd lr 0.1 momentum 0.9 nesterov on"),
  ),
  CNN307: entry(
    "error",
    "a line of the recipe given twice",
    "Each line may be given once.",
    train("data cifar10", "batch 64", "batch 128"),
    train("data cifar10", "batch 64"),
  ),
} as const satisfies Readonly<Record<string, DiagnosticDescription>>;

export type DiagnosticCode = keyof typeof diagnosticCatalogue;

/** The description of a code as a user writes it (`CNN204`, `cnn204`), or undefined. */
export function describeDiagnostic(code: string): DiagnosticDescription | undefined {
  const known: Readonly<Record<string, DiagnosticDescription>> = diagnosticCatalogue;
  const key = code.toUpperCase();
  return Object.hasOwn(known, key) ? known[key] : undefined;
}
