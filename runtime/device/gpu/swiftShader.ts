/**
 * SwiftShader, a software Vulkan driver that npm can bring: no root, no package manager.
 *
 * In: the npm package `@sparticuz/chromium`, if it is installed; it carries SwiftShader and a Vulkan loader. Out: the
 * environment in which a new process finds them. The dynamic linker reads that environment only when a process starts,
 * so the caller must start itself again. What holds: the cache folder is complete or absent, never half unpacked.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { defaultCacheFolder } from "../../files/cacheFolder.ts";
import { GpuError, messageOf } from "./gpuError.ts";
import { makeFolder } from "../../files/makeFolder.ts";

/** The last line of versions that runs on Node 20; about 66 MB, most of it a browser. */
export const swiftShaderPackage = "@sparticuz/chromium@147";

const packageName = "@sparticuz/chromium";
/** What is taken out of the archive. */
const files = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];

/**
 * The variables to start a process with so that WebGPU finds SwiftShader; unpacks it at the first call.
 *
 * Undefined where the package is not installed (or has no build for this platform: it is for Linux on x64), and where
 * this process already has that environment. Throws a `GpuError` if the cache folder cannot be written.
 */
export async function swiftShaderEnvironment(
  options: { readonly cache?: string; readonly packageFolder?: string } = {},
): Promise<Record<string, string> | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const source = options.packageFolder ?? findPackage();
  const archive = source && join(source, "bin", "swiftshader.tar.br");
  if (!archive || !existsSync(archive)) return undefined;
  const cache = options.cache ?? defaultCacheFolder();
  const folder = join(cache, `swiftshader-${await versionOf(source)}`);
  const driver = join(folder, "vk_swiftshader_icd.json");
  if (process.env["VK_DRIVER_FILES"] === driver) return undefined;
  if (!existsSync(driver)) await unpack(archive, cache, folder);
  const libraries = [folder, process.env["LD_LIBRARY_PATH"]].filter(Boolean).join(delimiter);
  // The loader prefers the newer name, which may be set to something else; older loaders know the older one only.
  return { LD_LIBRARY_PATH: libraries, VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver };
}

/** The package's folder, seen from the user's project or from this one. */
function findPackage(): string | undefined {
  for (const from of [join(process.cwd(), "package.json"), import.meta.url]) {
    try {
      // The package's entry point is build/cjs/index.cjs; its package.json is not exported.
      return dirname(dirname(dirname(createRequire(from).resolve(packageName))));
    } catch {
      continue;
    }
  }
  return undefined;
}

async function versionOf(folder: string): Promise<string> {
  const text: unknown = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const version = typeof text === "object" && text !== null && "version" in text ? String(text.version) : "unknown";
  return version.replaceAll(/[^\w.-]/g, "");
}

/** Unpacks beside the folder, then renames: another process sees all of it or nothing. */
async function unpack(archive: string, cache: string, folder: string): Promise<void> {
  try {
    await makeFolder(cache);
    const beside = await mkdtemp(join(cache, "unpacking-"));
    try {
      const tar = join(beside, "swiftshader.tar");
      await writeFile(tar, await promisify(brotliDecompress)(await readFile(archive)));
      const { extract } = await import("tar");
      await extract({ file: tar, cwd: beside, filter: (path) => files.includes(path.replace(/^\.\//, "")) });
      await rm(tar);
      await rename(beside, folder).catch((problem: unknown) => {
        // Another process was first.
        if (!existsSync(folder)) throw problem;
      });
    } finally {
      await rm(beside, { recursive: true, force: true });
    }
  } catch (problem) {
    throw new GpuError(
      "no-adapter",
      `SwiftShader cannot be unpacked to ${cache}: ${messageOf(problem)}`,
      "Make the folder writable or name another in XDG_CACHE_HOME; or use --device cpu.",
    );
  }
}
