// The Audit Logs page: puts the parts together.
import { startFilters } from "./filters.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startOrder } from "./order.js";
import { startPanel } from "./panel.js";

startOrder();
startFilters();
startPanel();
startKeys(startLive());
