/** Comes when something is true. @throws Error after 20 seconds, which only a mistake takes */
export async function until(what: () => boolean, name = String(what)): Promise<void> {
  for (let tries = 0; tries < 4000; tries++) {
    if (what()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`it never came about: ${name}`);
}
