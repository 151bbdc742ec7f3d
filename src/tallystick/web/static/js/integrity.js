// The Integrity page: what can be copied. How the check stands is asked for by htmx.
import { startCopying } from "./copying.js";

startCopying();
