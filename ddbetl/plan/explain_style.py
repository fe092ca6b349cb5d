"""The style of explain's page: light and dark, as the reader's system is.

Invariant: it names nothing that would have to be fetched.
"""

STYLE = """
:root {
  --page: #ffffff; --card: #f6f8fa; --line: #d1d9e0; --text: #1f2328; --quiet: #59636e;
  --source: #0969da; --read: #0969da; --compute: #8250df; --write: #bc4c00; --target: #1a7f37;
  --warning: #875900; --warned: #fff8c5; --hint: #57521f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --card: #151b23; --line: #3d444d; --text: #f0f6fc; --quiet: #9198a1;
    --source: #4493f8; --read: #4493f8; --compute: #ab7df8; --write: #f0883e; --target: #3fb950;
    --warning: #d29922; --warned: #272115; --hint: #b3a98d;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 1280px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 24px; }
h1 { margin: 0 0 8px; font-size: 24px; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 36px 0 10px; font-size: 17px; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
code { overflow-wrap: break-word; }
.settings { margin: 0; }
.settings code { display: inline-block; margin-top: 4px; padding: 1px 8px; border: 1px solid var(--line);
  border-radius: 12px; }
.quiet { color: var(--quiet); }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin-top: 16px; }
.tile { flex: 1 1 145px; padding: 10px 14px; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; overflow-wrap: anywhere; }
.tile span { display: block; color: var(--quiet); font-size: 12.5px; }
.tile strong { font-size: 19px; font-weight: 600; white-space: nowrap; }
.tile.warned { background: var(--warned); border-color: var(--warning); }
.tile.warned strong { color: var(--warning); }
.picture { margin: 24px 0 0; }
.picture svg { display: block; width: 100%; height: auto; }
.picture .down { display: none; margin: 0 auto; }
@media screen and (max-width: 900px) {
  .picture .across { display: none; }
  .picture .down { display: block; }
}
svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
svg .headline { font-weight: 600; font-size: 12.5px; fill: var(--text); }
svg .table { font: 600 11px ui-monospace, monospace; }
svg .kind { font-size: 10.5px; font-weight: 600; letter-spacing: 0.08em; }
svg rect { fill: var(--card); stroke-width: 1.5; }
svg .source rect { stroke: var(--source); }
svg .read rect { stroke: var(--read); }
svg .compute rect { stroke: var(--compute); }
svg .write rect { stroke: var(--write); }
svg .target rect { stroke: var(--target); }
svg .read .kind { fill: var(--read); }
svg .compute .kind { fill: var(--compute); }
svg .write .kind { fill: var(--write); }
svg .target .kind { fill: var(--target); }
svg .arrow { fill: none; stroke: var(--quiet); stroke-width: 1.5; }
svg .head { fill: var(--quiet); }
.warning { margin: 10px 0; padding: 10px 14px; background: var(--warned); border: 1px solid var(--line);
  border-left: 4px solid var(--warning); border-radius: 6px; }
.warning p { margin: 0 0 4px; overflow-wrap: anywhere; }
.warning strong { color: var(--warning); }
.warning .hint, .warning .quiet { color: var(--hint); }
.warning pre { margin: 6px 0; padding: 4px 10px; border: 0; background: var(--page); border-radius: 4px; }
.wide { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 6px 20px 6px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
td:last-child:not(.number) { min-width: 10em; }
.estimate { max-width: 720px; }
th { font-weight: 400; }
thead th { color: var(--quiet); font-weight: 500; vertical-align: bottom; }
tfoot th, tfoot td { border-bottom: 0; font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead .number { white-space: normal; }
.short { white-space: nowrap; }
dl { display: grid; grid-template-columns: minmax(110px, max-content) 1fr; gap: 4px 20px; margin: 14px 0; }
dt { color: var(--quiet); }
dd { grid-column: 2; margin: 0; overflow-wrap: anywhere; }
details { margin: 8px 0; border: 1px solid var(--line); border-radius: 8px; background: var(--card); }
summary { padding: 8px 14px; cursor: pointer; overflow-wrap: anywhere; }
.inside { padding: 0 14px 6px; border-top: 1px solid var(--line); }
.inside tr:last-child > * { border-bottom: 0; }
pre { margin: 0; padding: 10px 14px; border-top: 1px solid var(--line); white-space: pre-wrap;
  overflow-wrap: anywhere; }
.spec { border: 1px solid var(--line); border-radius: 8px; background: var(--card); }
mark { background: var(--warned); color: inherit; font-weight: 600; }
footer { margin-top: 40px; padding-bottom: 32px; color: var(--quiet); font-size: 13px; }
@media print {
  body { font-size: 12px; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  h2 { break-after: avoid; }
  .tile, .warning, tr { break-inside: avoid; }
  .tiles { gap: 6px; }
  .tile { flex-basis: 80px; padding: 6px 8px; }
  .tile strong { font-size: 15px; }
  .tile span { font-size: 10px; }
  table { font-size: 11px; }
  code, pre { font-size: 10.5px; }
  th, td { padding: 3px 10px 3px 0; }
  .wide { overflow: visible; }
  tfoot { display: table-row-group; }
  details::details-content { display: block; content-visibility: visible; }
}
"""
