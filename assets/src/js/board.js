// Cards of the ticket board move by dragging too: a drop chooses the column in the card's own form and sends it.
export function startBoard() {
  const board = document.querySelector("[data-board]");
  if (!board) return;
  let dragged = null;
  const allowed = (column) => {
    const select = dragged?.querySelector("[data-move] select");
    return Boolean(select) && [...select.options].some((option) => option.value === column.dataset.status);
  };

  board.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("[data-card]");
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
    for (const column of board.querySelectorAll("[data-status]")) column.classList.toggle("is-open", allowed(column));
  });
  board.addEventListener("dragover", (event) => {
    const column = event.target.closest("[data-status]");
    if (!column || !allowed(column)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
  });
  board.addEventListener("drop", (event) => {
    const column = event.target.closest("[data-status]");
    if (!column || !allowed(column)) return;
    event.preventDefault();
    const form = dragged.querySelector("[data-move]");
    form.elements.status.value = column.dataset.status;
    form.requestSubmit();
  });
  board.addEventListener("dragend", () => {
    dragged = null;
    for (const column of board.querySelectorAll("[data-status]")) column.classList.remove("is-open");
  });
}
