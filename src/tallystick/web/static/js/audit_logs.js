// The Audit Logs page: puts the parts together.
import { startFilters } from "./filters.js";
import { startHistogram } from "./histogram.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startOrder } from "./order.js";
import { startPanel } from "./panel.js";
import { startSearchBox } from "./search_box.js";
import { startShown } from "./shown.js";

startOrder();
startShown();
startFilters();
startSearchBox();
startPanel();
startKeys(startLive());
startHistogram();
