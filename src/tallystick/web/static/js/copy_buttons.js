// Pages whose only scripted elements are buttons that copy.
import { startClipboard } from "./clipboard.js";
import { startScriptOnly } from "./script_only.js";

startScriptOnly();
startClipboard();
