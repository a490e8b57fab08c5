import type { AdapterInformation } from "./adapter.ts";
import type { WebGPUOptions } from "./device.ts";
import type { DeviceParts } from "./executable.ts";
import type { Program } from "../program.ts";
export class Tuner {
  constructor(_a: AdapterInformation, private o: WebGPUOptions) {}
  variant(f: string): string | undefined {
    return this.o.variants?.[f];
  }
  async prepare(_p: Program, _d: DeviceParts): Promise<void> {}
}
