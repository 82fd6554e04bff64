/** `npm run test:slow` runs all of what the ordinary suite runs a part of. */
export const isSlow = process.env["CNNC_SLOW"] === "1";
