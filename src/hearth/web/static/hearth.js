// What every page has. One file per concern; each of them works on elements that are there now or come later.
import "./confirm.js";
import "./copy.js";
import "./search.js";
import "./theme.js";
import "./tabs.js";
import "./time.js";
import "./toast.js";
import "./dialog.js";
import "./poll.js";
import "./live.js";
import "./output.js";
