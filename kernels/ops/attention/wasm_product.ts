/** placeholder adapter */
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/assembler.ts";

/** (a, aStride, panels, c, cStride, rows, columns, depth, accumulate) */
export function product(module: ModuleBuilder): FunctionBuilder {
  return module.define("attention product", (module, name) => {
    const f = module.function(
      name,
      ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
      [],
    );
    const [a, aStride, panels, c, cStride, rows, columns, depth, accumulate] = f.parameters;
    const [j, k, pa, pb] = f.locals("i32", 4) as [Local, Local, Local, Local];
    const acc = f.local("v128");
    f.repeat(rows, () => {
      f.i32Const(0).set(j).get(panels).set(pb);
      f.forRange(j, columns, 4, () => {
        f.f32x4Const(0).set(acc).get(depth).set(k).get(a).set(pa);
        f.repeat(k, () => {
          f.get(pa).v128Load32Splat().get(pb).v128Load().get(acc).f32x4MultiplyAdd().set(acc);
          f.increment(pa, 4).increment(pb, 16);
        });
        f.get(accumulate).if(() => {
          f.get(acc).get(c).get(j).i32Const(2).i32Shl().i32Add().v128Load().f32x4Add().set(acc);
        });
        f.get(c).get(j).i32Const(2).i32Shl().i32Add().get(acc).v128Store();
      });
      f.get(a).get(aStride).i32Add().set(a).get(c).get(cStride).i32Add().set(c);
    });
    return f;
  });
}
