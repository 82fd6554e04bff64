/** Trains the program of the page, and shows how it goes. Build the package first: `npm run build`. */
import { checkText, renderDiagnostics } from "cnnc";
import { generateShapes, openCpuDevice, openTraining, RuntimeFailure } from "cnnc/browser";

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const program = /** @type {HTMLTextAreaElement} */ (element("program"));
const start = /** @type {HTMLButtonElement} */ (element("start"));
const stop = /** @type {HTMLButtonElement} */ (element("stop"));
const weights = /** @type {HTMLAnchorElement} */ (element("weights"));

/** Between two reports, in milliseconds. */
const interval = 250;

let isStopped = false;

async function run() {
  const { program: checked, diagnostics } = checkText(program.value, "program");
  const [model] = checked?.models ?? [];
  if (!checked?.recipe || !model) {
    element("report").textContent = renderDiagnostics(diagnostics, program.value, "program") || "There is no recipe.";
    return;
  }
  element("report").textContent = "compiling";
  const { recipe } = checked;
  const device = await openCpuDevice();
  const { name, driver } = device.description;
  element("device").textContent = `${name}\n${driver}`;
  try {
    const training = await openTraining({ model, recipe, data: await generateShapes(), device });
    await report(training, recipe.epochs * training.stepsPerEpoch);
    const file = new Blob([await training.weights()]);
    weights.href = URL.createObjectURL(file);
    weights.hidden = false;
  } finally {
    await device.close();
  }
}

/**
 * @param {import("cnnc/browser").Training} training
 * @param {number} total
 */
async function report(training, total) {
  const points = [];
  let tested = "";
  let burst = 1;
  for (let done = 0; done < total && !isStopped;) {
    const { stepsPerEpoch } = training;
    const steps = Math.min(burst, stepsPerEpoch - (done % stepsPerEpoch));
    const begun = performance.now();
    const { loss, accuracy } = await training.train(steps);
    const each = (performance.now() - begun) / steps;
    burst = Math.max(1, Math.round(interval / each));
    done += steps;
    if (done % stepsPerEpoch === 0) {
      const score = await training.test();
      tested += `\nepoch ${done / stepsPerEpoch}: test accuracy ${(100 * score.accuracy).toFixed(1)} %`;
    }
    element("report").textContent =
      `step ${done} of ${total}  loss ${loss.toFixed(3)}  accuracy ${(100 * accuracy).toFixed(1)} %  ` +
      `${(1000 / each).toFixed(0)} steps/s${tested}`;
    points.push([done, loss]);
    const scaled = points.map(([x = 0, y = 0]) => `${(100 * x) / done},${40 - 16 * y}`);
    element("curve").setAttribute("points", scaled.join(" "));
  }
}

start.onclick = async () => {
  isStopped = false;
  [start.disabled, stop.disabled] = [true, false];
  try {
    await run();
  } catch (problem) {
    element("report").textContent =
      problem instanceof RuntimeFailure ? `${problem.message}\n${problem.remedy}` : String(problem);
  }
  [start.disabled, stop.disabled] = [false, true];
};
stop.onclick = () => (isStopped = true);

const lenet = await (await fetch("../lenet.cnn")).text();
program.value = lenet.replace("data cifar10", "data shapes").replace(", for CIFAR-10", "");
start.disabled = false;
