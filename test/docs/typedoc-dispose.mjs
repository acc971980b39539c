// What every [Symbol.dispose] does is said here once.
import { Comment, Converter, ReflectionKind } from "typedoc";

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const signature of context.project.getReflectionsByKind(ReflectionKind.CallSignature)) {
      if (!/^\[(asyncD|d)ispose\]$/.test(signature.name) || signature.comment) continue;
      signature.comment = new Comment([
        { kind: "text", text: "Lets go of everything at the end of a `using` block." },
      ]);
    }
  });
}
