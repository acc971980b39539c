// npm run build-plugin: the weir executable, ready to be copied to nodes.
import { main, prepareCheckout } from "./setup.mjs";

await main(async () => {
  await prepareCheckout();
  console.log(
    "packages/cni-plugin/bundle holds the executable weir and the files that must stand beside it.",
  );
  return 0;
});
