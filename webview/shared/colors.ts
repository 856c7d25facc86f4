/** Red, green and blue, 0 to 255. */
export type Rgb = [red: number, green: number, blue: number];

/** A colour as CSS writes it, in numbers; what a browser understands is left to the browser. */
export function parseColor(css: string): Rgb {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return [red!, green!, blue!];
}

/** A part of the way from one colour to another, 0 to 1. */
export function mixColors(from: Rgb, to: Rgb, part: number): Rgb {
  return from.map((value, i) => Math.round(value + (to[i]! - value) * part)) as Rgb;
}

export function cssColor([red, green, blue]: Rgb): string {
  return `rgb(${red}, ${green}, ${blue})`;
}

/** How light a colour looks, 0 to 1: the relative luminance of WCAG 2. */
function luminance(color: Rgb): number {
  const [red, green, blue] = color.map((value) => {
    const share = value / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Black or white, whichever is read better on a colour. */
export function textOn(background: Rgb): 'black' | 'white' {
  const light = luminance(background);
  return (light + 0.05) / 0.05 > 1.05 / (light + 0.05) ? 'black' : 'white';
}
