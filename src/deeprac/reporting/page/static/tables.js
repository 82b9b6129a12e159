"use strict";

/* Tables: Tabulator over the JSON of the page. Text from the cohort only ever becomes
   a text node. Sorting and filtering use the full values, not what is shown. */
const Tables = (() => {
  const LONG = 15;
  const data = new Map();
  const grids = new Map();
  const leftIn = new Map();

  const read = (name) => {
    if (!data.has(name)) {
      const element = document.getElementById(`data-${name}`);
      data.set(name, JSON.parse(element.textContent));
    }
    return data.get(name);
  };

  const textElement = (text) => {
    const span = document.createElement("span");
    span.textContent = text;
    return span;
  };

  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };

  /* Missing values stay at the end in both directions. */
  const sorter = (index) => (_a, _b, rowA, rowB, _column, direction) => {
    const a = rowA.getData().value[index];
    const b = rowB.getData().value[index];
    if (a === null || b === null) {
      const order = (a === null) - (b === null);
      return direction === "asc" ? order : -order;
    }
    return compare(a, b);
  };

  /* "<50", ">=2", "=1" compare with the number that is shown; else a part of the text. */
  const matches = (wanted, shown) => {
    const comparison = /^\s*(<=|>=|<|>|=)\s*(-?\d+(\.\d+)?)\s*$/.exec(wanted);
    if (!comparison) return shown.toLowerCase().includes(wanted.trim().toLowerCase());
    const number = Number.parseFloat(shown);
    if (Number.isNaN(number)) return false;
    const limit = Number(comparison[2]);
    return {
      "<": number < limit,
      "<=": number <= limit,
      ">": number > limit,
      ">=": number >= limit,
      "=": number === limit,
    }[comparison[1]];
  };

  /* How the numbers of a column are spread, between its smallest and its largest. */
  const BINS = 12;
  const histogram = (values) => {
    const numbers = values.filter((value) => typeof value === "number");
    const low = Math.min(...numbers);
    const high = Math.max(...numbers);
    if (new Set(numbers).size < BINS) return null;
    const counts = new Array(BINS).fill(0);
    for (const value of numbers) {
      const bin = Math.floor((BINS * (value - low)) / (high - low));
      counts[Math.min(bin, BINS - 1)] += 1;
    }
    const most = Math.max(...counts);
    const box = document.createElement("span");
    box.className = "histogram";
    box.setAttribute("aria-hidden", "true");
    for (const count of counts) {
      const bar = document.createElement("i");
      bar.style.height = `${(100 * count) / most}%`;
      box.append(bar);
    }
    return box;
  };

  const heading = (entry, values) => {
    const title = textElement(entry.title);
    const picture = entry.spread && values ? histogram(values) : null;
    if (picture) title.append(picture);
    return title;
  };

  /* A bar from 0 to 100 % behind a share, as wide as its full value. */
  const shown = (entry, index) => (cell) => {
    const value = cell.getRow().getData().value[index];
    if (entry.bar && typeof value === "number") {
      cell.getElement().classList.add("bar");
      cell.getElement().style.setProperty("--share", `${100 * value}%`);
    }
    return textElement(cell.getValue());
  };

  /* Long names wrap; on a narrow screen one column alone stays in view: both leave
     room for the numbers. */
  const NARROW = 960;
  const KEPT = 150;
  const LONGEST = 250;
  const narrow = () => window.innerWidth <= NARROW;
  const widest = (part) => {
    const lengths = part.columns.map((entry, index) =>
      entry.frozen && !entry.empty
        ? Math.max(...part.text.map((texts) => texts[index].length))
        : -1,
    );
    return lengths.indexOf(Math.max(...lengths));
  };

  const kept = (entry, index, part) => {
    if (!entry.frozen) return {};
    const wraps = { frozen: true, variableHeight: true, cssClass: "kept" };
    if (!narrow()) return { ...wraps, maxWidth: LONGEST };
    return index === widest(part) ? { ...wraps, width: KEPT } : {};
  };

  const column = (entry, index, part, tall) => ({
    title: entry.title,
    titleFormatter: () =>
      heading(entry, tall ? part.value.map((values) => values[index]) : null),
    titleDownload: entry.key || entry.title,
    field: `c${index}`,
    hozAlign: entry.number ? "right" : "left",
    headerHozAlign: entry.number ? "right" : "left",
    formatter: shown(entry, index),
    sorter: sorter(index),
    ...kept(entry, index, part),
    visible: !entry.empty,
    download: true,
    headerFilter: tall ? "input" : undefined,
    headerFilterFunc: matches,
    headerFilterPlaceholder: entry.number ? "< >" : "",
    headerFilterParams: {
      elementAttributes: { "aria-label": `Filter ${entry.title}` },
    },
    minWidth: entry.number && tall ? 74 : 40,
    accessorDownload: (_value, row) => row.value[index],
  });

  const grouped = (columns, entries) => {
    if (!entries.some((entry) => entry.group)) return columns;
    const groups = [];
    columns.forEach((definition, index) => {
      const name = entries[index].group;
      const last = groups[groups.length - 1];
      if (last && name && last.name === name) last.columns.push(definition);
      else groups.push({ name, columns: [definition] });
    });
    for (const group of groups) {
      const longest = Math.max(...group.name.split(" ").map((word) => word.length));
      const share = (7.5 * longest + 10) / group.columns.length;
      for (const definition of group.columns) {
        definition.minWidth = Math.max(definition.minWidth, Math.ceil(share));
      }
    }
    return groups.flatMap((group) =>
      group.name
        ? [
            {
              title: group.name,
              titleFormatter: () => textElement(group.name),
              headerHozAlign: "center",
              columns: group.columns,
            },
          ]
        : group.columns,
    );
  };

  const opener = (table) => ({
    title: "View",
    field: "open",
    headerSort: false,
    download: false,
    hozAlign: "center",
    width: 70,
    frozen: !narrow(),
    formatter: (cell) => {
      const [name, experiment] = table.opens[cell.getRow().getData().id];
      if (!Browser.has(name)) return textElement("");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "open-case";
      button.textContent = "Open";
      button.setAttribute("aria-label", `Open ${name} in the case browser`);
      button.addEventListener("click", () => Browser.show(name, experiment));
      return button;
    },
  });

  /* How many rows a filter leaves, and whether the file has these or all. */
  const tellFiltered = (table) => {
    const of = (kind) => document.querySelector(`.${kind}[data-table="${table.name}"]`);
    const mine = [...leftIn].filter(([e]) => e.dataset.table === table.name);
    const built = mine.map(([e]) => table.parts[Number(e.dataset.part)].text.length);
    const count = mine.reduce((sum, [, length]) => sum + length, 0);
    const all = built.reduce((sum, length) => sum + length, 0);
    const filtered = count < all;
    of("shown").textContent = filtered || table.tall ? `${count} of ${all} rows shown` : "";
    const what = table.csv === null ? `the ${count} rows shown` : "all rows, unfiltered";
    const file = `Download ${table.name}.csv`;
    of("download").textContent = filtered ? `${file} (${what})` : file;
  };

  /* Roles that a screen reader knows: Tabulator calls a group of columns by one that
     there is not, and lets the box that scrolls stand between table and rows. */
  const nameParts = (element) => {
    element.removeAttribute("aria-owns");
    element.querySelector(".tabulator-tableholder").setAttribute("role", "rowgroup");
    element.querySelector(".tabulator-table").setAttribute("role", "presentation");
    for (const group of element.querySelectorAll(".tabulator-col-group")) {
      group.setAttribute("role", "presentation");
      group.removeAttribute("aria-sort");
      group.removeAttribute("aria-title");
      const name = (head) => head.querySelector(".tabulator-col-title").textContent;
      for (const head of group.querySelectorAll("[role=columnheader]")) {
        head.setAttribute("aria-label", `${name(group)}: ${name(head)}`);
      }
    }
  };

  /* Headings take the focus; Enter and space sort as a click does. */
  const sortByKeys = (grid, element) => {
    for (const head of element.querySelectorAll(".tabulator-col.tabulator-sortable")) {
      head.tabIndex = 0;
      head.addEventListener("keydown", (event) => {
        if (event.target !== head || !["Enter", " "].includes(event.key)) return;
        event.preventDefault();
        const up = head.getAttribute("aria-sort") !== "ascending";
        grid.setSort(head.getAttribute("tabulator-field"), up ? "asc" : "desc");
      });
    }
  };

  const build = (element) => {
    const table = read(element.dataset.table);
    const part = table.parts[Number(element.dataset.part)];
    let columns = part.columns.map((entry, i) => column(entry, i, part, table.tall));
    columns = grouped(columns, part.columns);
    if (narrow()) columns.sort((a, b) => Boolean(b.frozen) - Boolean(a.frozen));
    if (table.opens.length && Browser.any()) columns.unshift(opener(table));
    const rows = part.text.map((texts, id) => {
      const row = { id, value: part.value[id] };
      texts.forEach((text, index) => (row[`c${index}`] = text));
      return row;
    });
    const long = table.tall && rows.length > LONG;
    const grid = new Tabulator(element, {
      data: rows,
      columns,
      layout: "fitDataTable",
      height: long ? "560px" : false,
      renderVertical: long ? "virtual" : "basic",
      placeholder: "No rows",
      columnHeaderSortMulti: true,
      downloadEncoder: (content, type) => new Blob([content], { type }),
    });
    grid.on("dataFiltered", (_filters, left) => {
      leftIn.set(element, left.length);
      tellFiltered(table);
    });
    grids.set(`${table.name}/${element.dataset.part}`, grid);
    return new Promise((done) =>
      grid.on("tableBuilt", () => {
        nameParts(element);
        sortByKeys(grid, element);
        done();
      }),
    );
  };

  /* Tables of a hidden tab have no width: they are built when it opens. */
  const buildIn = (panel) => {
    const waiting = [...panel.querySelectorAll(".grid:not([data-built])")];
    return Promise.all(
      waiting.map((element) => {
        element.dataset.built = "true";
        return build(element);
      }),
    );
  };

  /* Paper gets plain tables; long ones stay in the file. */
  const cell = (kind, text) => {
    const element = document.createElement(kind);
    element.textContent = text;
    return element;
  };

  const line = (cells) => {
    const row = document.createElement("tr");
    row.replaceChildren(...cells);
    return row;
  };

  const plain = (part) => {
    const element = document.createElement("table");
    const full = part.columns.flatMap(({ empty }, index) => (empty ? [] : [index]));
    const titles = full.map((index) => {
      const { group, title } = part.columns[index];
      return cell("th", [group, title].filter(Boolean).join(": "));
    });
    const rows = part.text.map((texts) =>
      line(full.map((index) => cell("td", texts[index]))),
    );
    element.replaceChildren(line(titles), ...rows);
    return element;
  };

  const print = () => {
    for (const element of document.querySelectorAll(".grid")) {
      const table = read(element.dataset.table);
      const part = table.parts[Number(element.dataset.part)];
      const long = table.tall && part.text.length > LONG;
      const copy = long
        ? cell("p", `Not printed: ${part.text.length} rows; they are in the page.`)
        : plain(part);
      copy.className = "printed";
      element.after(copy);
    }
  };

  const printed = () => {
    for (const copy of document.querySelectorAll(".printed")) copy.remove();
  };

  const ofTable = (name) =>
    [...grids].filter(([key]) => key.startsWith(`${name}/`)).map(([, grid]) => grid);

  const search = (name, wanted) => {
    for (const grid of ofTable(name)) {
      grid.setFilter((row) =>
        Object.keys(row).some(
          (key) => /^c\d+$/.test(key) && matches(wanted, row[key]),
        ),
      );
    }
  };

  const save = (name, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = `${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const download = (name) => {
    const table = read(name);
    if (table.csv !== null) save(name, table.csv);
    else ofTable(name)[0].download("csv", `${name}.csv`);
  };

  /* Filters the headers of a table, once its tab is open: {title: text}. */
  const filter = (name, wanted) => {
    const [grid] = ofTable(name);
    const titles = read(name).parts[0].columns.map((entry) => entry.title);
    grid.clearHeaderFilter();
    for (const [title, text] of Object.entries(wanted)) {
      grid.setHeaderFilterValue(`c${titles.indexOf(title)}`, text);
    }
  };

  const connect = () => {
    for (const input of document.querySelectorAll(".search")) {
      input.addEventListener("input", () => search(input.dataset.table, input.value));
    }
    for (const button of document.querySelectorAll(".download")) {
      button.addEventListener("click", () => download(button.dataset.table));
    }
  };

  return { buildIn, connect, filter, ofTable, print, printed };
})();
