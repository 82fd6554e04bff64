/**
 * Every diagnostic of the language: its code, what it means, a program that fails and its mend.
 *
 * In: nothing, it is a table. Out: severities for the checker, and texts for `cnnc explain CNN204` and the reference.
 * What holds: a code never changes its meaning; `wrong` gives exactly this code, and `right` is free of it (tests check
 * both). 0xx: the file; 1xx: syntax; 2xx: layers (25x warnings); 3xx: the recipe.
 */
export type Severity = "error" | "warning";

export interface DiagnosticDescription {
  readonly severity: Severity;
  /** What it is about, in a few words. */
  readonly title: string;
  readonly explanation: string;
  /** A program that gives it; undefined where no short text can. */
  readonly wrong: string | undefined;
  /** The same program, mended. */
  readonly right: string | undefined;
}

function entry(
  severity: Severity,
  title: string,
  explanation: string,
  wrong?: string,
  right?: string,
): DiagnosticDescription {
  return { severity, title, explanation, wrong, right };
}

/** A model around a few lines. */
const model = (...lines: string[]): string => `model Example {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;

/** A recipe around a few lines, with a model that it can train. */
const train = (...lines: string[]): string =>
  `${model("input 3@32x32", "fc 10")}\ntrain {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;

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
    model("input 3@32x32", "lrn 5", "fc 10"),
    model("input 3@32x32", "bn", "fc 10"),
  ),
  CNN105: entry(
    "error",
    "two models of one name",
    "Models of a file are told apart by their names.",
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
  CNN201: entry(
    "error",
    "unknown layer",
    "There is no layer of this name. Unknown words are never ignored.",
    model("input 3@32x32", "rleu", "fc 10"),
    model("input 3@32x32", "relu", "fc 10"),
  ),
  CNN202: entry(
    "error",
    "unknown option",
    "The layer has no option of this name.",
    model("input 3@32x32", "conv 6@5x5 strid 2 pad 2", "fc 10"),
    model("input 3@32x32", "conv 6@5x5 stride 2 pad 2", "fc 10"),
  ),
  CNN203: entry(
    "error",
    "something is missing",
    "A layer misses an argument, or an option its value.",
    model("input 3@32x32", "fc"),
    model("input 3@32x32", "fc 10"),
  ),
  CNN204: entry(
    "error",
    "the window is larger than its input",
    "A window of size k on n rows with padding p, dilation d and stride s leaves floor((n + 2p - d(k - 1) - 1) / s) + 1 rows; that must be at least 1.",
    model("input 3@8x8", "pool max 2 -> pool max 2", "conv 32@5x5", "fc 10"),
    model("input 3@8x8", "pool max 2 -> pool max 2", "conv 32@5x5 pad same", "fc 10"),
  ),
  CNN205: entry(
    "error",
    "more than the layer takes",
    "The layer has more arguments than it takes, or something stands behind it that belongs to the next layer.",
    model("input 3@32x32", "bn relu", "fc 10"),
    model("input 3@32x32", "bn -> relu", "fc 10"),
  ),
  CNN206: entry(
    "error",
    "a value of another kind",
    "The argument or option takes another kind of value, such as a number, a size (`3x3`), maps (`6@5x5`) or `on` and `off`.",
    model("input 3@32x32", "conv 6", "fc 10"),
    model("input 3@32x32", "conv 6@5x5", "fc 10"),
  ),
  CNN207: entry(
    "error",
    "a value out of its range",
    "The value is too small, too large, or a fraction where a whole number is needed.",
    model("input 3@32x32", "conv 6@5x5 stride 0", "fc 10"),
    model("input 3@32x32", "conv 6@5x5 stride 1", "fc 10"),
  ),
  CNN208: entry(
    "error",
    "an option is given twice",
    "Each option may be given once.",
    model("input 3@32x32", "conv 6@5x5 pad 1 pad 2", "fc 10"),
    model("input 3@32x32", "conv 6@5x5 pad 2", "fc 10"),
  ),
  CNN209: entry(
    "error",
    "a model without input or layers",
    "A model begins with `input channels@heightxwidth` and has at least one layer.",
    model("fc 10"),
    model("input 3@32x32", "fc 10"),
  ),
  CNN210: entry(
    "error",
    "a misplaced input",
    "A model has one `input`, and it is its first line.",
    model("input 3@32x32", "relu", "input 3@32x32", "fc 10"),
    model("input 3@32x32", "relu", "fc 10"),
  ),
  CNN211: entry(
    "error",
    "groups do not divide the channels",
    "A convolution in groups splits the channels that arrive, and its own maps, into equal parts.",
    model("input 3@32x32", "conv 6@5x5 groups 2", "fc 10"),
    model("input 3@32x32", "conv 6@5x5 groups 3", "fc 10"),
  ),
  CNN212: entry(
    "error",
    "`pad same` with a stride",
    "`same` keeps the size, which a stride above 1 cannot; PyTorch refuses it too.",
    model("input 3@32x32", "conv 6@3x3 stride 2 pad same", "fc 10"),
    model("input 3@32x32", "conv 6@3x3 stride 2 pad 1", "fc 10"),
  ),
  CNN213: entry(
    "error",
    "too large",
    "A tensor may have at most 2 to the 31 elements (for one picture), a model at most 10,000 layers.",
    model("input 3@32x32", "fc 1000000000", "fc 10"),
    model("input 3@32x32", "fc 1000", "fc 10"),
  ),
  CNN214: entry(
    "error",
    "more padding than half a pooling window",
    "A window could then lie in the padding alone and have no value; PyTorch refuses it too.",
    model("input 3@32x32", "pool max 2 pad 2", "fc 10"),
    model("input 3@32x32", "pool max 2 pad 1", "fc 10"),
  ),
  CNN215: entry(
    "error",
    "a vector where maps are needed",
    "Behind `fc` or `flatten` there is no height and width for a window to slide over.",
    model("input 3@32x32", "fc 120", "conv 6@5x5", "fc 10"),
    model("input 3@32x32", "conv 6@5x5", "fc 120", "fc 10"),
  ),
  CNN216: entry(
    "error",
    "an unknown name in an expression",
    "Expressions know the model's parameters, `in.channels`, `in.height`, `in.width`, and the functions min, max, floor, ceil and round.",
    model("input 3@32x32", "conv (in.chanels)@3x3", "fc 10"),
    model("input 3@32x32", "conv (in.channels)@3x3", "fc 10"),
  ),
  CNN217: entry(
    "error",
    "an expression without a value",
    "A division by zero, or a number beyond what a float64 holds.",
    model("input 3@32x32", "fc 10 / 0"),
    model("input 3@32x32", "fc 10 / 1"),
  ),
  CNN218: entry(
    "error",
    "a parameter without a value",
    "A model's parameters have defaults, so that the file alone is a whole model.",
    "model Example(width) {\n  input 3@32x32\n  fc 10\n}\n",
    "model Example(width = 16) {\n  input 3@32x32\n  fc 10\n}\n",
  ),
  CNN219: entry(
    "error",
    "an option of a global pool",
    "A global pool has one window, the whole map: it needs no stride, padding or rounding.",
    model("input 3@32x32", "pool avg global stride 2", "fc 10"),
    model("input 3@32x32", "pool avg global", "fc 10"),
  ),
  CNN251: entry(
    "warning",
    "the stride drops pixels",
    "The last windows end before the last rows or columns, which then have no influence. PyTorch does so silently.",
    model("input 3@33x33", "pool max 2", "fc 10"),
    model("input 3@33x33", "pool max 2 ceil on", "fc 10"),
  ),
  CNN252: entry(
    "warning",
    "a bias before batch normalisation",
    "Batch normalisation takes the mean off each channel, and with it whatever was added to all of it. The warning comes where `bias on` is written.",
    model("input 3@32x32", "conv 6@5x5 bias on -> bn", "fc 10"),
    model("input 3@32x32", "conv 6@5x5 bias off -> bn", "fc 10"),
  ),
  CNN253: entry(
    "warning",
    "an activation before the loss",
    "Cross-entropy takes the softmax of the model's outputs, which should be free to be any number: an activation at the end cuts them off.",
    `${model("input 3@32x32", "fc 10 -> relu")}\ntrain {\n  data cifar10\n}\n`,
    train("data cifar10"),
  ),
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
