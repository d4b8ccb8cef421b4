// Line icons on a 24-unit grid, drawn for this app.
const PATHS = {
  sessions: "M8 6h12M8 12h12M8 18h12M4 6v.01M4 12v.01M4 18v.01",
  check: "M5 12l5 5L20 7",
  plus: "M12 5v14M5 12h14",
  gear: "M12 9a3 3 0 1 0 0 6a3 3 0 1 0 0-6M12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.2 2.2M16.2 16.2l2.2 2.2M5.6 18.4l2.2-2.2M16.2 7.8l2.2-2.2",
  back: "M15 5l-7 7 7 7",
  next: "M9 6l6 6-6 6",
  down: "M6 9l6 6 6-6",
  stop: "M8 7h8a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1",
  more: "M12 6v.01M12 12v.01M12 18v.01",
  grow: "M14 4h6v6M10 20H4v-6M20 4l-7 7M4 20l7-7",
  close: "M6 6l12 12M18 6L6 18",
  warn: "M12 4l9 16H3zM12 10v4M12 17v.01",
  copy: "M9 9h10v11H9zM5 15V4h10",
  search: "M11 5a6 6 0 1 0 0 12a6 6 0 1 0 0-12M15.5 15.5L20 20",
  folder: "M3 7h6l2 2h10v10H3z",
  phone: "M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1M11 18h2",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="i" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
