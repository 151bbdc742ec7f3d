// The Audit Logs page: puts the parts together.
import { startExportMenu } from "./export_menu.js";
import { startFilters } from "./filters.js";
import { startHistogram } from "./histogram.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startOrder } from "./order.js";
import { startPanel } from "./panel.js";
import { startSearchBox } from "./search_box.js";
import { startShown } from "./shown.js";
import { startSwap } from "./swap.js";

startSwap();
startOrder();
startShown();
startFilters();
startSearchBox();
startPanel();
startKeys(startLive());
startHistogram();
startExportMenu();
