// What every module with elements needs: htm's templates over preact, and preact's hooks.
import { h, render } from "preact";
import htm from "htm";

export { render };
export * from "preact/hooks";
export const html = htm.bind(h);
