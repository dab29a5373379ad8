// The names that templates may give to <ui.icon>, and the Lucide drawing behind each.
export const icons = {
  activity: "activity", alert: "triangle-alert", archive: "archive", areas: "map-pinned", "arrow-down": "arrow-down", "arrow-left": "arrow-left",
  "arrow-right": "arrow-right", "arrow-up": "arrow-up", "arrow-up-down": "arrow-up-down", audit: "history", bell: "bell", billing: "receipt",
  bookings: "calendar-clock", box: "box", building: "building-2", calendar: "calendar", campaigns: "megaphone", check: "check", "check-circle": "circle-check", "chevron-down": "chevron-down",
  "chevron-left": "chevron-left", "chevron-right": "chevron-right", clock: "clock", close: "x", columns: "columns-3", copy: "copy", customers: "users",
  dashboard: "layout-dashboard", document: "file-text", domains: "globe", download: "download", edit: "pencil", "external-link": "external-link", eye: "eye",
  filter: "list-filter", flag: "flag", help: "circle-question-mark", history: "history", home: "house", image: "image", inbox: "inbox", import: "file-up", info: "info",
  installations: "router", integrations: "plug", key: "key-round", keyboard: "keyboard", list: "list", locate: "locate-fixed", lock: "lock", mail: "mail", map: "map",
  "map-pin": "map-pin", menu: "menu", merge: "git-merge", messages: "message-square", monitor: "monitor", moon: "moon", more: "ellipsis", network: "network",
  palette: "palette", payments: "wallet", phone: "phone", plans: "gauge", play: "play", plus: "plus", refresh: "refresh-cw", reports: "chart-column",
  roles: "shield-check", router: "router", search: "search", send: "send", settings: "settings", shield: "shield", split: "split", "sign-out": "log-out", staff: "user-cog", stop: "circle-stop",
  subscriptions: "repeat", sun: "sun", tag: "tag", tickets: "ticket", tower: "radio-tower", trash: "trash-2", tree: "folder-tree", undo: "undo-2", upload: "upload", user: "user", "user-plus": "user-plus", warning: "triangle-alert",
  webhook: "webhook", wifi: "wifi", "wifi-off": "wifi-off", "x-circle": "circle-x",
};
