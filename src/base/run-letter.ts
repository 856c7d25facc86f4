/** What a run is called beside others, by its place: A, B, ..., Z, 27, 28. */
export function letterOf(place: number): string {
  return place < 26 ? String.fromCharCode(65 + place) : String(place + 1);
}
