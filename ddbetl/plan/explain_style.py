"""The style of explain's page: light and dark, as the reader's system is.

Invariant: it names nothing that would have to be fetched.
"""

STYLE = """
:root {
  --page: #ffffff; --card: #f6f8fa; --line: #d1d9e0; --text: #1f2328; --quiet: #59636e;
  --source: #0969da; --read: #0969da; --compute: #8250df; --write: #bc4c00; --target: #1a7f37;
  --warning: #9a6700; --warned: #fff8c5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --card: #151b23; --line: #3d444d; --text: #f0f6fc; --quiet: #9198a1;
    --source: #4493f8; --read: #4493f8; --compute: #ab7df8; --write: #f0883e; --target: #3fb950;
    --warning: #d29922; --warned: #272115;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1220px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { margin: 0 0 8px; font-size: 24px; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 36px 0 10px; font-size: 17px; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
.settings code { display: inline-block; padding: 1px 8px; border: 1px solid var(--line); border-radius: 12px; }
.quiet { color: var(--quiet); }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin-top: 16px; }
.tile { flex: 1 1 140px; padding: 10px 14px; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; }
.tile span { display: block; color: var(--quiet); font-size: 13px; }
.tile strong { font-size: 20px; font-weight: 600; }
.picture { margin: 24px 0 0; overflow-x: auto; }
.picture svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--quiet); }
svg .headline { font-weight: 600; font-size: 12.5px; fill: var(--text); }
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
.hint { color: var(--quiet); }
.wide { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--quiet); font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number { white-space: normal; }
dl { display: grid; grid-template-columns: minmax(110px, max-content) 1fr; gap: 4px 20px; margin: 8px 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
details { margin: 8px 0; border: 1px solid var(--line); border-radius: 8px; background: var(--card); }
summary { padding: 8px 14px; cursor: pointer; overflow-wrap: anywhere; }
pre { margin: 0; padding: 10px 14px; border-top: 1px solid var(--line); white-space: pre-wrap;
  overflow-wrap: anywhere; }
footer { margin-top: 40px; color: var(--quiet); font-size: 13px; }
"""
