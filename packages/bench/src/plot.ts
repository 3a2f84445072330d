/** The figures as an SVG: throughput and p50 by clients, and the gap after the leader's death. */
import { median, shown } from './numbers.ts';
import type { Measured } from './targets.ts';

interface Bar {
  readonly label: string;
  readonly system: 'witan' | 'etcd';
  readonly value: number;
}

interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 340;
const HEIGHT = 260;
const MARGIN = 40;
const COLOURS = { witan: '#1f6f8b', etcd: '#c9a227' } as const;

/** @param subtitle one line about when and where, without anything private */
export function plot(measured: Measured, subtitle: string): string {
  const { cells, kills, transfers } = measured;
  const bars = (value: (cell: Measured['cells'][number]) => number): readonly Bar[] =>
    cells
      .toSorted((a, b) => a.clients - b.clients)
      .map((cell) => ({ label: `${cell.clients}`, system: cell.system, value: value(cell) }));
  const gaps = (['witan', 'etcd'] as const).flatMap((system) => [
    ...gapBar('SIGKILL', system, kills[system]),
    ...gapBar('transfer', system, transfers[system]),
  ]);
  const panels: readonly Panel[] = [
    { title: 'writes a second, by clients', bars: bars(({ perSecond }) => perSecond) },
    { title: 'p50 in ms, by clients', bars: bars(({ p50Ms }) => p50Ms) },
    {
      title: 'median gap in writes, ms',
      bars: gaps.toSorted((a, b) => a.label.localeCompare(b.label)),
    },
  ].filter((panel) => panel.bars.length > 0);
  const width = WIDTH * panels.length;
  const drawn = panels.map((panel, at) => drawPanel(panel, at * WIDTH)).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT + 50}" \
viewBox="0 0 ${width} ${HEIGHT + 50}" font-family="sans-serif" font-size="11">
<rect width="${width}" height="${HEIGHT + 50}" fill="#ffffff"/>
${drawn}
${legend()}
<text x="${MARGIN}" y="${HEIGHT + 40}" fill="#555555">${subtitle}</text>
</svg>
`;
}

function gapBar(
  label: string,
  system: Bar['system'],
  all: readonly { readonly gapMs: number }[] | undefined,
): readonly Bar[] {
  if (all === undefined || all.length === 0) return [];
  return [{ label, system, value: median(all.map(({ gapMs }) => gapMs)) }];
}

function drawPanel({ title, bars }: Panel, left: number): string {
  const highest = Math.max(...bars.map(({ value }) => value));
  const step = (WIDTH - 2 * MARGIN) / bars.length;
  const room = HEIGHT - 2 * MARGIN;
  const drawn = bars.map(({ label, system, value }, at) => {
    const height = (value / highest) * room;
    const x = left + MARGIN + at * step;
    const y = HEIGHT - MARGIN - height;
    const middle = x + (step - 4) / 2;
    const name = bars[at - 1]?.label === label ? '' : label;
    return `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(step - 4).toFixed(1)}" \
height="${height.toFixed(1)}" fill="${COLOURS[system]}"/>
<text x="${middle.toFixed(1)}" y="${(y - 3).toFixed(1)}" text-anchor="middle" \
font-size="9">${shown(value)}</text>
<text x="${(x + step).toFixed(1)}" y="${HEIGHT - MARGIN + 14}" text-anchor="middle">${name}</text>`;
  });
  const axis = HEIGHT - MARGIN;
  return `<text x="${left + MARGIN}" y="20" font-size="13">${title}</text>
<line x1="${left + MARGIN}" x2="${left + WIDTH - MARGIN}" y1="${axis}" y2="${axis}" \
stroke="#333333"/>
${drawn.join('\n')}`;
}

function legend(): string {
  return (['witan', 'etcd'] as const)
    .map((name, at) => {
      const x = MARGIN + at * 80;
      return `<rect x="${x}" y="${HEIGHT + 8}" width="10" height="10" fill="${COLOURS[name]}"/>
<text x="${x + 14}" y="${HEIGHT + 17}">${name}</text>`;
    })
    .join('\n');
}
