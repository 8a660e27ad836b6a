/** Sizes as people read them: three figures, decimal units, as disks and hubs count. */
export function sizeText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const figures = unit === 0 ? String(value) : value.toPrecision(3);
  return `${figures} ${units[unit]}`;
}
