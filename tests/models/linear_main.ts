/** The tool with one family more: `deno run linear_main.ts train linear`. */
import { registerCommands } from "../../cli/families/registry.ts";
import { main } from "../../cli/main.ts";
import { processIo } from "../../cli/terminal/io.ts";
import { registerFamily } from "../../models/registry.ts";
import { linearCommands } from "./linear_commands.ts";
import { linearFamily } from "./linear_family.ts";

registerFamily(linearFamily);
registerCommands(linearCommands);
if (import.meta.main) Deno.exit(await main(Deno.args, processIo()));
