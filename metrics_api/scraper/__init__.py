"""When to ask which kubelet: phases, deadlines, back-off. How to ask is ``kubelet``'s business."""
