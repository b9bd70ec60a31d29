// Draws the candles of a market with Lightweight Charts from the JSON beside them, and adds what is new after each swap.
// The chart's own element is never swapped, so range and crosshair stay where a person has put them.
(() => {
  const box = document.getElementById("market-chart");
  if (!box || !window.LightweightCharts) return;
  const { createChart, createSeriesMarkers, CandlestickSeries, HistogramSeries, LineSeries, LineStyle } = LightweightCharts;
  const readout = document.getElementById("readout");
  const why = document.getElementById("market-why");
  const THIN = "\u202f";
  const PANE = 0.28; // height of an indicator's pane beside that of the candles
  // Overlays and lines in panes take these in turn, apart from the colours of gain and loss.
  const COLOURS = ["bot-0", "bot-4", "bot-3", "bot-5", "bot-7", "bot-6"];

  const colour = (name, alpha) => {
    const probe = document.createElement("i");
    probe.style.color = alpha ? `color-mix(in srgb, var(--${name}) ${alpha}%, transparent)` : `var(--${name})`;
    document.body.append(probe);
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    probe.remove();
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return `rgba(${r}, ${g}, ${b}, ${(a / 255).toFixed(3)})`;
  };
  const written = (value, places) => {
    const text = Math.abs(value).toFixed(places).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, THIN);
    return value < 0 ? `−${text}` : text;
  };
  const brief = (value) => {
    const size = Math.abs(value);
    const [unit, letter] = [[1e9, "B"], [1e6, "M"], [1e3, "k"]].find(([unit]) => size >= unit) || [1, ""];
    return `${written(value / unit, size / unit >= 100 || unit === 1 && size >= 10 ? 0 : 2)}${letter}`;
  };

  class Market {
    constructor() {
      this.text = "";
      this.bars = new Map(); // by time: [time, open, high, low, close, volume]
      this.lines = new Map(); // by name: { series, values: Map, label, places }
      this.priceLines = [];
      this.build();
      this.read();
      this.fit();
    }

    build() {
      const ink = { text: colour("faint"), line: colour("line"), strong: colour("line-strong") };
      this.chart = createChart(box, {
        autoSize: true,
        layout: {
          background: { color: "transparent" }, textColor: ink.text, fontSize: 11,
          fontFamily: getComputedStyle(document.body).fontFamily, attributionLogo: true,
          panes: { separatorColor: ink.line, separatorHoverColor: ink.strong, enableResize: true },
        },
        grid: { vertLines: { visible: false }, horzLines: { color: ink.line } },
        rightPriceScale: { borderVisible: false },
        timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, rightOffset: 4, minBarSpacing: 1 },
        crosshair: { mode: 0, vertLine: { color: ink.strong, labelBackgroundColor: ink.strong }, horzLine: { color: ink.strong, labelBackgroundColor: ink.strong } },
        localization: { locale: "en", timeFormatter: (seconds) => `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC` },
        handleScroll: { vertTouchDrag: false },
        // A page that is scrolled past the chart must not zoom it by accident.
        handleScale: { mouseWheel: false },
      });
      const [up, down, panel] = [colour("gain"), colour("loss"), colour("panel")];
      this.candles = this.chart.addSeries(CandlestickSeries, {
        // A rising candle is hollow, so that it is told from a falling one without its colour.
        upColor: panel, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down,
        priceLineColor: ink.strong,
      });
      this.candles.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.2 } });
      this.volume = this.chart.addSeries(HistogramSeries, {
        priceScaleId: "volume", priceFormat: { type: "custom", formatter: brief, minMove: 0.001 }, lastValueVisible: false, priceLineVisible: false,
      });
      this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
      this.markers = createSeriesMarkers(this.candles, []);
      this.chart.subscribeCrosshairMove((at) => this.tell(at.time));
    }

    // --- Data

    read() {
      const source = document.getElementById(box.dataset.source)?.querySelector("script");
      if (!source || source.textContent === this.text) return;
      this.text = source.textContent;
      const data = JSON.parse(this.text);
      const first = !this.data;
      if (data.since === null) {
        this.bars.clear();
        for (const line of this.lines.values()) line.values.clear();
      }
      this.data = data;
      this.take(data.candles);
      for (const pane of data.panes) for (const [name, points] of Object.entries(pane.lines)) this.keep(pane, name, points);
      this.draw(first || data.since === null);
    }

    take(rows) {
      for (const row of rows) this.bars.set(row[0], row);
      if (this.running && this.running !== this.data.running?.[0] && !rows.some((row) => row[0] === this.running)) this.bars.delete(this.running);
      const before = this.running === this.data.running?.[0] ? this.bars.get(this.running) : undefined;
      this.running = this.data.running?.[0];
      if (this.data.running) this.bars.set(this.running, this.grown(before));
    }

    // The candle that runs, with the extremes that this page has seen of it: the server may know its newest price only.
    grown(before) {
      const [time, open, high, low, close, volume] = this.data.running;
      return before ? [time, open, Math.max(high, before[2]), Math.min(low, before[3]), close, volume] : this.data.running;
    }

    keep(pane, name, points) {
      if (!this.lines.has(name)) this.add(pane, name);
      const { values } = this.lines.get(name);
      for (const [time, value] of points) values.set(time, value);
    }

    add(pane, name) {
      const names = Object.keys(pane.lines);
      const overlays = this.data.panes.filter((other) => !other.pane);
      const rank = pane.pane ? names.indexOf(name) : overlays.indexOf(pane);
      const histogram = name === "macd_histogram";
      const places = pane.pane ? 2 : this.data.places;
      const options = {
        color: colour(histogram ? "line-strong" : COLOURS[rank % COLOURS.length]), lineWidth: 1.5, priceLineVisible: false, lastValueVisible: pane.pane && !histogram,
        crosshairMarkerRadius: 3, title: pane.pane && rank === 0 ? pane.label : "",
        priceFormat: { type: "custom", formatter: (value) => (Math.abs(value) >= 1e4 ? brief(value) : written(value, Math.abs(value) < 1 ? 4 : places)), minMove: 1e-8 },
        ...(name === "bollinger_upper" || name === "bollinger_lower" ? { lineStyle: LineStyle.Dotted } : {}),
      };
      const index = pane.pane ? this.paneOf(pane.key) : 0;
      const series = this.chart.addSeries(histogram ? HistogramSeries : LineSeries, options, index);
      if (pane.pane && rank === names.length - 1) {
        for (const price of pane.bounds) series.createPriceLine({ price, color: colour("line-strong"), lineWidth: 1, lineStyle: LineStyle.Dotted, axisLabelVisible: false });
      }
      if (index) this.chart.panes().forEach((one, i) => one.setStretchFactor(i ? PANE : 1));
      this.lines.set(name, { series, values: new Map(), label: names.length > 1 ? name.replaceAll("_", " ") : pane.label, places, pane: pane.pane ? pane.key : null, colour: options.color });
    }

    // Each indicator with a pane has its own, in the order in which the server names them.
    paneOf(key) {
      const keys = this.data.panes.filter((pane) => pane.pane).map((pane) => pane.key);
      return 1 + keys.indexOf(key);
    }

    // --- Drawing

    draw(whole) {
      const times = [...this.bars.keys()].sort((a, b) => a - b);
      const sorted = times.map((time) => this.bars.get(time));
      const [up, down] = [colour("gain", 45), colour("loss", 45)];
      const candle = ([time, open, high, low, close]) => ({ time, open, high, low, close });
      const bar = ([time, open, , , close, value]) => ({ time, value, color: close >= open ? up : down });
      const places = this.data.places;
      this.candles.applyOptions({ priceFormat: { type: "custom", formatter: (value) => written(value, places), minMove: 10 ** -places } });
      const kept = this.drawn || 0;
      const older = times.filter((time) => time < kept).length !== this.older;
      if (whole || older || !kept) {
        this.candles.setData(sorted.map(candle));
        this.volume.setData(sorted.map(bar));
      } else {
        for (const row of sorted.filter(([time]) => time >= kept)) { this.candles.update(candle(row)); this.volume.update(bar(row)); }
      }
      this.drawn = times[times.length - 1];
      this.older = times.length - 1;
      for (const [name, line] of this.lines) {
        const shade = name === "macd_histogram";
        line.series.setData([...line.values].sort(([a], [b]) => a - b).map(([time, value]) => ({ time, value, ...(shade ? { color: value >= 0 ? up : down } : {}) })));
      }
      this.mark();
      this.level();
      this.explain();
      if (whole) this.show();
      this.tell(null);
    }

    mark() {
      const marks = this.data.marks.filter((mark) => this.bars.has(mark.time)).sort((a, b) => a.time - b.time);
      this.markers.setMarkers(marks.map((mark) => ({
        time: mark.time, position: mark.side === "buy" ? "belowBar" : "aboveBar", shape: mark.side === "buy" ? "arrowUp" : "arrowDown",
        color: colour(`bot-${mark.colour}`), text: mark.bot,
      })));
    }

    level() {
      const text = JSON.stringify(this.data.lines);
      if (text === this.levels) return;
      this.levels = text;
      for (const line of this.priceLines) this.candles.removePriceLine(line);
      const kinds = { stop: ["loss", LineStyle.Dashed], target: ["gain", LineStyle.Dashed], entry: ["ink", LineStyle.Solid], order: ["faint", LineStyle.Dotted] };
      this.priceLines = this.data.lines.map((line) => {
        const [name, lineStyle] = kinds[line.kind];
        return this.candles.createPriceLine({ price: line.price, color: colour(name), lineStyle, lineWidth: 1, title: line.text, axisLabelVisible: true });
      });
    }

    explain() {
      const missing = this.data.panes.filter((pane) => pane.why).map((pane) => `${pane.label}: ${pane.why}`);
      if (this.data.panes.length && !this.data.until && this.bars.size) missing.push("The indicators are being computed by a worker.");
      if (!this.bars.size) missing.push("No candle of this timeframe has closed yet.");
      why.textContent = missing.join(" ");
      why.hidden = !missing.length;
    }

    show() {
      const room = Math.max(40, Math.floor(box.clientWidth / 7));
      this.chart.timeScale().setVisibleLogicalRange({ from: this.bars.size - room, to: this.bars.size + 4 });
    }

    fit() {
      const panes = new Set([...this.lines.values()].map((line) => line.pane).filter(Boolean)).size;
      box.style.setProperty("--panes", panes);
    }

    // --- Reading

    tell(time) {
      const at = time ?? Math.max(...this.bars.keys());
      const row = this.bars.get(at);
      if (!row) return;
      const [, open, high, low, close, volume] = row;
      const places = this.data.places;
      const part = (label, text, shade) => {
        const span = document.createElement("span");
        const name = Object.assign(document.createElement("i"), { textContent: label });
        if (shade) name.style.color = shade;
        span.append(name, ` ${text}`);
        return span;
      };
      const when = new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ");
      const parts = [part(when, at === this.running ? "runs" : "")];
      for (const [label, value] of [["O", open], ["H", high], ["L", low], ["C", close]]) parts.push(part(label, written(value, places)));
      parts.push(part("V", brief(volume)));
      for (const line of this.lines.values()) {
        const value = line.values.get(at) ?? (time ? undefined : [...line.values.values()].at(-1));
        if (value !== undefined) parts.push(part(line.label, Math.abs(value) >= 1e6 ? brief(value) : written(value, Math.abs(value) < 1 ? 4 : line.places), line.colour));
      }
      for (const mark of this.data.marks.filter((mark) => mark.time === at).slice(0, 4)) parts.push(part("●", mark.text, colour(`bot-${mark.colour}`)));
      readout.replaceChildren(...parts);
    }

    key(event) {
      const scale = this.chart.timeScale();
      const times = [...this.bars.keys()].sort((a, b) => a - b);
      const range = scale.getVisibleLogicalRange();
      const steps = { ArrowLeft: -1, ArrowRight: 1 };
      if (event.key in steps) {
        if (!times.length) return;
        const now = times.indexOf(this.at ?? times.at(-1));
        const next = Math.min(times.length - 1, Math.max(0, now + steps[event.key] * (event.shiftKey ? 10 : 1)));
        this.at = times[next];
        this.chart.setCrosshairPosition(this.bars.get(this.at)[4], this.at, this.candles);
        this.tell(this.at);
        if (range && next < range.from) scale.setVisibleLogicalRange({ from: next - 2, to: next - 2 + range.to - range.from });
      } else if (event.key === "+" || event.key === "-") {
        if (!range) return;
        const width = (range.to - range.from) * (event.key === "+" ? 0.7 : 1 / 0.7);
        scale.setVisibleLogicalRange({ from: range.to - width, to: range.to });
      } else if (event.key === "End") {
        this.show();
      } else if (event.key === "Escape") {
        this.at = undefined;
        this.chart.clearCrosshairPosition();
        this.tell(null);
      } else return;
      event.preventDefault();
    }
  }

  let market = new Market();
  box.addEventListener("keydown", (event) => market.key(event));
  const read = () => { market.read(); market.fit(); };
  document.addEventListener("htmx:wsAfterMessage", read);
  document.addEventListener("htmx:afterRequest", read);
  // Colours are fixed where a chart is made. The rows it has are taken along: the page holds only the newest of them.
  const redraw = () => {
    const { bars, data, lines } = market;
    market.chart.remove();
    market = Object.assign(Object.create(Market.prototype), { text: market.text, bars, data, lines: new Map(), priceLines: [], running: market.running });
    market.build();
    for (const pane of data.panes) for (const name of Object.keys(pane.lines)) market.keep(pane, name, [...(lines.get(name)?.values ?? [])]);
    market.draw(true);
  };
  document.addEventListener("theme:changed", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
