const MOST = 10 // concepts in the list
const names = (window.tailscopeNames ??= new Map()) // what was fetched, by its address: once a window

function fetchNames(url) {
  if (!names.has(url)) {
    const fetched = fetch(url).then((response) => (response.ok ? response.json() : Promise.reject(response.status)))
    names.set(url, fetched)
    fetched.catch(() => names.delete(url))
  }
  return names.get(url)
}

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[\s_-]+/g, " ").trim()

// 0: the name itself, 1: begins so, 2: a word begins so, 3: it is somewhere inside; null: it is not there.
function match(name, asked) {
  if (name === asked) return 0
  if (name.startsWith(asked)) return 1
  if (` ${name}`.includes(` ${asked}`)) return 2
  return asked.split(" ").every((word) => name.includes(word)) ? 3 : null
}

// The names come from common to rare, and a stable sort keeps that order among equals.
function find({ concepts, counts }, typed) {
  const asked = fold(typed)
  const found = []
  concepts.forEach((concept, i) => {
    const place = asked ? match(fold(concept), asked) : 1
    if (place !== null) found.push({ concept, count: counts[i], place })
  })
  return found.sort((one, other) => one.place - other.place).slice(0, MOST)
}

function describe(text) {
  const tag = document.querySelector("meta[name=description]") ?? document.createElement("meta")
  tag.name = "description"
  tag.content = text
  document.head.append(tag)
}

// Streamlit runs the page of an address that the browser steps to, so that this is one entry in its history.
function go(page, parameters) {
  const address = new URL(`${page}?${new URLSearchParams(parameters)}`, document.baseURI)
  window.history.pushState({}, "", address)
  window.dispatchEvent(new PopStateEvent("popstate"))
}

export default function ({ data, parentElement }) {
  const input = parentElement.querySelector("input")
  const list = parentElement.querySelector("ul")
  let found = []
  let marked = -1

  const mark = (place) => {
    marked = place
    ;[...list.children].forEach((option, i) => option.setAttribute("aria-selected", i === marked))
    input.setAttribute("aria-activedescendant", marked < 0 ? "" : `found-${marked}`)
    list.children[marked]?.scrollIntoView({ block: "nearest" })
  }
  const close = () => {
    list.hidden = true
    input.setAttribute("aria-expanded", "false")
    mark(-1)
  }
  const choose = (concept) => {
    close()
    input.value = ""
    input.blur()
    go("concept", { concept, ...data.carried })
  }
  const option = ({ concept, count }, i) => {
    const item = document.createElement("li")
    item.id = `found-${i}`
    item.setAttribute("role", "option")
    item.setAttribute("aria-selected", "false")
    for (const text of [concept, count]) item.append(Object.assign(document.createElement("span"), { textContent: text }))
    item.onpointerdown = (event) => event.preventDefault() // the box keeps the focus until the click
    item.onclick = () => choose(concept)
    return item
  }
  const open = async () => {
    const held = await fetchNames(data.url)
    if (parentElement.activeElement !== input) return
    found = find(held, input.value)
    list.replaceChildren(...found.map(option))
    list.hidden = !found.length
    input.setAttribute("aria-expanded", String(!list.hidden))
    mark(input.value.trim() && found.length && found[0].place < 3 ? 0 : -1)
  }

  input.placeholder = data.placeholder
  input.oninput = input.onfocus = () => open().catch(() => close())
  input.onblur = close
  input.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step && found.length) {
      event.preventDefault()
      mark((marked + step + found.length) % found.length)
    } else if (event.key === "Escape") {
      close()
    } else if (event.key === "Enter" && input.value.trim()) {
      choose(found[marked]?.concept ?? input.value.trim())
    }
  }
  describe(data.description)
  if (data.step && window.tailscopeStep !== data.step.asked) {
    window.tailscopeStep = data.step.asked // the same run may be drawn again
    go("concept", { concept: data.step.concept, ...data.carried })
  }
}
