// The Audit Logs page: starts its parts.
import { startClipboard } from "./clipboard.js";
import { startColumns } from "./columns.js";
import { startExportMenu } from "./export_menu.js";
import { startFilters } from "./filters.js";
import { startHistogram } from "./histogram.js";
import { startHtmxSwap } from "./htmx_swap.js";
import { startLive } from "./live_page.js";
import { startMenus } from "./menus.js";
import { startMistake } from "./mistake.js";
import { startPanel } from "./panel.js";
import { startPanelWidth } from "./panel_width.js";
import { startRelativeTime } from "./relative_time.js";
import { startRequestErrors } from "./request_errors.js";
import { startResponseOrder } from "./response_order.js";
import { startScriptOnly } from "./script_only.js";
import { startSearchBox } from "./search_box.js";
import { startShortcuts } from "./shortcuts.js";
import { startTimeZone } from "./time_zone.js";

// A form that was refused was answered under its own address: the page shows the list, whose address this is.
function restoreAddress() {
  const address = document.getElementById("problem")?.dataset.here;
  if (address) history.replaceState(null, "", address);
}

startHtmxSwap(); // before the parts that listen to the same events
startResponseOrder();
startColumns();
restoreAddress();
startMenus();
startRelativeTime();
startTimeZone();
startFilters();
startMistake();
startRequestErrors();
startSearchBox();
startPanel();
startScriptOnly();
startClipboard();
startPanelWidth();
startShortcuts(startLive());
startHistogram();
startExportMenu();
