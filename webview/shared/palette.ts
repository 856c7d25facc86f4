const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
/** Colours of curves in theme.css. */
const COLORS = 8;

/** How a curve is drawn: one of eight colours, and beside it one of four dashes, for those who cannot tell the colours apart. */
export interface Stroke {
  color: string;
  dash: number[];
}

/** A colour of theme.css as the theme of this moment has it; canvases cannot read variables. */
export function themeColor(name: string): string {
  return window.getComputedStyle(document.body).getPropertyValue(name).trim() || 'gray';
}

/** The stroke of the curve with this number; of `null`, the colour of text without dashes. */
export function strokeOf(color: number | null): Stroke {
  if (color === null) return { color: themeColor('--text'), dash: [] };
  return {
    color: themeColor(`--c${color % COLORS}`),
    dash: DASHES[(color + Math.floor(color / COLORS)) % DASHES.length]!,
  };
}

/** Whether the theme is one of high contrast. */
export function isHighContrast(): boolean {
  return document.body.classList.contains('vscode-high-contrast');
}

/** Calls back when the editor's theme changes: VS Code then changes classes and variables of the page. */
export function onThemeChange(change: () => void): void {
  const observer = new MutationObserver(change);
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
}
