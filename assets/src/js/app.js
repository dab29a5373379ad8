// Everything a page does beyond links and forms. Each part looks for its own data-attributes and does nothing where there are none, so a
// page without scripts is the same page with fewer comforts.
import Alpine from "@alpinejs/csp";
import htmx from "htmx.org";
import { startBoard } from "./board.js";
import { startConfirm } from "./confirm.js";
import { startForms } from "./forms.js";
import { startHtmx } from "./requests.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startPalette } from "./palette.js";
import { startPasskeys } from "./passkeys.js";
import { startSince } from "./since.js";
import { startTabs } from "./tabs.js";
import { startTheme } from "./theme-switch.js";
import { startToasts } from "./toasts.js";
import { bulk } from "./bulk.js";
import { accent, copy, permissions, step } from "./widgets.js";

window.htmx = htmx;
startHtmx(htmx);
startTheme();
startToasts();
startConfirm();
startPasskeys();
startForms();
startPalette(htmx);
startKeys();
startBoard();
startSince();
startTabs();
startLive(htmx);

Alpine.data("bulk", bulk);
Alpine.data("copy", copy);
Alpine.data("accent", accent);
Alpine.data("permissions", permissions);
Alpine.data("step", step);
Alpine.start();
